"""A partner: a real QuickFIX initiator in a process of its own, told what to do by lines of JSON on its input.

`python fix_partner.py <folder> <port> <key id> <secret> [<logon tag>=<value> …]`; each line out is one happening.
It knows nothing of the portal: only FIX.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import quickfix

SOH = "\x01"


class Partner(quickfix.Application):
    def __init__(self, secret: str, logon: dict[int, str]) -> None:
        super().__init__()
        self.secret = secret
        self.logon = logon
        self.lock = threading.Lock()

    def say(self, what: str, text: str = "") -> None:
        with self.lock:
            sys.stdout.write(json.dumps([what, text.replace(SOH, "|")]) + "\n")
            sys.stdout.flush()

    def onCreate(self, session: Any) -> None: ...  # noqa: N802

    def onLogon(self, session: Any) -> None:  # noqa: N802
        self.say("logon")

    def onLogout(self, session: Any) -> None:  # noqa: N802
        self.say("logout")

    def toAdmin(self, message: Any, session: Any) -> None:  # noqa: N802
        if message.getHeader().getField(35) == "A":
            message.setField(554, self.secret)
            for tag, value in self.logon.items():
                message.setField(tag, value)

    def toApp(self, message: Any, session: Any) -> None: ...  # noqa: N802

    def fromAdmin(self, message: Any, session: Any) -> None:  # noqa: N802
        self.say("admin", message.toString())

    def fromApp(self, message: Any, session: Any) -> None:  # noqa: N802
        self.say("app", message.toString())


def main() -> None:
    folder, port, key_id, secret, *logon = sys.argv[1:]
    settings, values = quickfix.SessionSettings(), quickfix.Dictionary()
    options = {
        "ConnectionType": "initiator",
        "SocketConnectHost": "127.0.0.1",
        "SocketConnectPort": port,
        "HeartBtInt": "30",
        "StartTime": "00:00:00",
        "EndTime": "00:00:00",
        "NonStopSession": "Y",
        "UseDataDictionary": "N",
        "FileStorePath": folder,
    }
    given = dict(each.split("=", 1) for each in logon)
    options["ResetOnLogon"] = given.pop("reset", "N")
    for name, value in options.items():
        values.setString(name, value)
    defaults = quickfix.Dictionary()
    defaults.setString("ReconnectInterval", "1")  # read from the defaults alone
    settings.set(defaults)
    session = quickfix.SessionID("FIX.4.4", key_id, "PORTAL")
    settings.set(session, values)
    partner = Partner(secret, {int(tag): value for tag, value in given.items()})
    initiator = quickfix.SocketInitiator(partner, quickfix.FileStoreFactory(settings), settings)
    initiator.start()
    for line in sys.stdin:
        fields = [field.partition("=") for field in line.strip().split("|") if field]
        message = quickfix.Message()
        for tag, _, value in fields:
            part = message.getHeader() if tag in ("35", "97") else message
            part.setField(int(tag), value)
        quickfix.Session.sendToTarget(message, session)
    initiator.stop()


main()
