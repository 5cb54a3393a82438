"""What FIX tests share: the acceptor's process, partners' processes, and a desk whose orders come over FIX."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

from audit.domain.consumers import Consumer
from audit.relay import Relay
from orders.domain.reports import ReportKind
from orders.handlers import accounts_push
from orders.models import FixSession, VenueRoute
from orders.selectors.fix import order_id_of_client_order_id
from orders.tests.api import Caller, new_caller
from orders.tests.desk import Desk
from trading_portal.kernel.ids import uuid7
from trading_portal.running.layout import MANAGE, ROOT
from trading_portal.running.ports import HOST, free_port, is_free

SCRIPT = Path(__file__).with_name("fix_partner.py")
SECONDS = 30.0


def until(holds: Callable[[], Any], seen: Callable[[], Any] = lambda: None, seconds: float = SECONDS) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, seen()
        time.sleep(0.01)
    return found


@contextlib.contextmanager
def relaying() -> Iterator[None]:
    """Publish what happens to accounts, as the relay process does."""
    relay = Relay([Consumer(f"fix-{uuid7().hex}", accounts_push, only_new=True)], beat=lambda: None)
    thread = threading.Thread(target=relay.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        relay.stop()
        thread.join(10)


class Acceptor:
    """`manage.py fix_acceptor` on a port of its own; it may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self.failpoints = folder / "failpoints"
        self.failpoints.mkdir()
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        environment = {
            **os.environ,
            "PORTAL_FIX_PORT": str(self.port),
            "PORTAL_FAILPOINTS": str(self.failpoints),
        }
        with (self.folder / "acceptor.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, MANAGE, "fix_acceptor"], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        until(lambda: not is_free(self.port), self.log, seconds=60)

    def arm(self, point: str, passes: int = 0) -> None:
        (self.failpoints / point).write_text(str(passes))

    def until_dead(self) -> None:
        assert self.process is not None
        assert self.process.wait(SECONDS) == -9

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(SECONDS)

    def log(self) -> str:
        return (self.folder / "acceptor.log").read_text()[-4000:]


class Partner:
    """One partner's process; what it was told is kept over its lives."""

    def __init__(self, acceptor: Acceptor, caller: Caller, folder: Path, *logon: str, secret: str = "") -> None:
        self.acceptor = acceptor
        self.caller = caller
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.logon = logon
        self.secret = secret or caller.secret
        self.told: list[tuple[str, dict[str, str]]] = []
        self.start()

    def start(self) -> None:
        command = [
            sys.executable, str(SCRIPT), str(self.folder), str(self.acceptor.port), self.caller.key_id, self.secret,
            *self.logon,
        ]  # fmt: skip
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=self.folder
        )
        self.listening = threading.Thread(target=self._listen, args=(self.process,), daemon=True)
        self.listening.start()

    def _listen(self, process: Any) -> None:
        for line in process.stdout:
            try:
                what, text = json.loads(line)
            except ValueError:
                continue  # cut off by a kill
            fields = [part.partition("=") for part in text.split("|") if part]
            self.told.append((what, {tag: value for tag, _, value in reversed(fields)}))

    def send(self, message_type: str, **fields: Any) -> None:
        written = "|".join(f"{tag.lstrip('_')}={value}" for tag, value in fields.items())
        assert self.process.stdin is not None
        self.process.stdin.write(f"35={message_type}|{written}\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.listening.join(SECONDS)

    def stop(self) -> None:
        """Log out and end."""
        if self.process.poll() is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            self.process.wait(SECONDS)
        self.listening.join(SECONDS)

    def happened(self, what: str) -> int:
        return sum(each == what for each, _ in self.told)

    def until_logged_on(self, times: int = 1) -> Partner:
        until(lambda: self.happened("logon") >= times, lambda: (self.told, self.acceptor.log()))
        return self

    def all(self, what: str = "app") -> list[dict[str, str]]:
        return [fields for each, fields in self.told if each == what]

    def reports(self, name: str | None = None) -> list[dict[str, str]]:
        """Return the execution reports and cancel rejects that carry a ClOrdID."""
        return [each for each in self.all() if name is None or each.get("11") == name]

    def until_told(self, name: str | None = None, **fields: str) -> dict[str, str]:
        """Wait for a message with these fields, and return it."""
        wanted = {tag.lstrip("_"): value for tag, value in fields.items()}

        def found() -> dict[str, str] | None:
            matching = (each for each in self.reports(name) if wanted.items() <= each.items())
            return next(matching, None)

        return until(found, lambda: (wanted, self.told, self.acceptor.log()))


class FixDesk(Desk):
    """A desk whose account has a key, and whose orders go to the desk's own venue."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.caller = new_caller(account_id=self.account, **options)
        VenueRoute.objects.create(account_id=self.account, asset_class="", venue=self.venue)
        self._names = count(1)
        self._cents = count(0)

    def partner(self, acceptor: Acceptor, folder: Path, *logon: str, **options: Any) -> Partner:
        return Partner(acceptor, self.caller, folder, *logon, **options)

    def name(self) -> str:
        return f"{self.venue}-{next(self._names)}"

    def send(self, partner: Partner, **changes: Any) -> str:
        """Send a limit order to buy; each has its own price, as risk takes twins for a slip. Return its ClOrdID."""
        self.show()
        name = changes.pop("_11", None) or self.name()
        fields = {
            "_11": name, "_55": self.symbol, "_54": "1", "_38": next(self._numbers), "_40": "2",
            "_44": f"{100 + next(self._cents) / 100:.2f}", "_59": "1", "_60": stamp(), **changes,
        }  # fmt: skip
        partner.send("D", **{tag: value for tag, value in fields.items() if value is not None})
        return name

    def replace(self, partner: Partner, name: str, original: str, **changes: Any) -> None:
        """Ask for a change of an order to buy."""
        self.show()
        fields = {
            "_11": name, "_41": original, "_55": self.symbol, "_54": "1", "_38": "10", "_40": "2", "_44": "100",
            "_60": stamp(), **changes,
        }  # fmt: skip
        partner.send("G", **{tag: value for tag, value in fields.items() if value is not None})

    def order_id(self, name: str) -> UUID:
        return until(lambda: order_id_of_client_order_id(self.account, name))

    def working_order(self, partner: Partner, **changes: Any) -> tuple[str, UUID]:
        """Send an order, and have the venue acknowledge it."""
        name = self.send(partner, **changes)
        order_id = self.order_id(name)
        self.claim()
        self.record(self.report(order_id, ReportKind.NEW))
        partner.until_told(name, _150="0")
        return name, order_id

    def session(self) -> FixSession:
        return FixSession.objects.get(key__key_id=self.caller.key_id)


def now() -> datetime:
    return datetime.now(UTC)


def stamp() -> str:
    return now().strftime("%Y%m%d-%H:%M:%S")


__all__ = ["HOST", "Acceptor", "FixDesk", "Partner", "relaying", "stamp", "until"]
