"""Let QuickFIX hold one session: it checks what comes in, numbers what goes out, and keeps time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import quickfix
import structlog

from orders.domain.fix import BEGIN_STRING, MsgType, Tag
from orders.gateways.fix.wire import fields_of
from trading_portal.kernel import clock

DICTIONARY = Path(__file__).with_name("dictionary.xml")
# No message is kept by QuickFIX: what it would send again, `wire.gap_filled` puts in place of the gap it tells of.
_SETTINGS = {
    "ConnectionType": "acceptor",
    "SocketAcceptPort": "1",  # asked for, and never opened: the acceptor is not started
    "StartTime": "00:00:00",
    "EndTime": "00:00:00",
    "PersistMessages": "N",
    "UseDataDictionary": "Y",
    "DataDictionary": str(DICTIONARY),
    "ValidateUserDefinedFields": "Y",
    "TimestampPrecision": "6",
}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Inbound:
    """One application message from the partner, in its order."""

    number: int
    type: str
    fields: dict[int, str]


@dataclass(frozen=True, slots=True)
class Outbound:
    """One message as it goes out; one that is `kept` is stored, to be sent again when asked for."""

    number: int
    text: str
    is_kept: bool
    is_sent: bool


@dataclass(slots=True)
class _Sent:
    """What QuickFIX gave to be sent; `is_open` is false once the partner has said goodbye."""

    text: str
    is_application: bool
    is_open: bool = True


class _Calls(quickfix.Application):
    """Take QuickFIX's calls; nothing here may raise, which would end the process."""

    def __init__(self) -> None:
        super().__init__()
        self.inbox: list[str] = []
        self.output: list[_Sent] = []

    def onCreate(self, session_id: object) -> None:  # noqa: N802 - QuickFIX's name
        """Know of a session; there is nothing to do."""

    def onLogon(self, session_id: object) -> None:  # noqa: N802 - QuickFIX's name
        """Know of a logon; `FixEngine.is_logged_on` tells."""

    def onLogout(self, session_id: object) -> None:  # noqa: N802 - QuickFIX's name
        """Know of a logout; `FixEngine.is_over` tells."""

    def toAdmin(self, message: quickfix.Message, session_id: object) -> None:  # noqa: N802 - QuickFIX's name
        """Take a message of the session itself that goes out."""
        self.output.append(_Sent(message.toString(), is_application=False))

    def toApp(self, message: quickfix.Message, session_id: object) -> None:  # noqa: N802 - QuickFIX's name
        """Take an application message that goes out."""
        self.output.append(_Sent(message.toString(), is_application=True))

    def fromAdmin(self, message: quickfix.Message, session_id: object) -> None:  # noqa: N802 - QuickFIX's name
        """Let QuickFIX alone act on messages of the session itself."""

    def fromApp(self, message: quickfix.Message, session_id: object) -> None:  # noqa: N802 - QuickFIX's name
        """Take an application message that came in its turn."""
        self.inbox.append(message.toString())


class FixEngine:
    """One session for the time of one connection; it begins with the numbers that are given and never stores any."""

    def __init__(self, *, comp_id: str, partner: str, next_sender: int, next_target: int) -> None:
        self._id = quickfix.SessionID(BEGIN_STRING, comp_id, partner)
        self._calls = _Calls()
        self._store = quickfix.MemoryStoreFactory()
        self._settings = _settings(self._id)
        self._made_at = self._make()
        self._session.setNextSenderMsgSeqNum(next_sender)
        self._session.setNextTargetMsgSeqNum(next_target)
        self._had_logon = False

    def _make(self) -> quickfix.UtcTimeStamp:
        """Make the session, and return an instant of the day it was made on.

        QuickFIX would begin the numbers again with each new day. It compares the instant it is given with the one the
        session was made at, and nothing else: heartbeats, time-outs and the partner's clock go by its own. So it is
        given this one instant for as long as the session lives.
        """
        while True:
            at = clock.now()
            # Never started: it is only what makes, and owns, a session. QuickFIX keeps references to all of these.
            self._acceptor = quickfix.SocketAcceptor(self._calls, self._store, self._settings)
            if clock.now().date() == at.date():
                break
        self._session = self._acceptor.getSession(self._id)
        return _timestamp(at)

    @property
    def next_sender(self) -> int:
        """Return the number of the next message to the partner."""
        return int(self._session.getExpectedSenderNum())

    @property
    def next_target(self) -> int:
        """Return the number of the next message from the partner."""
        return int(self._session.getExpectedTargetNum())

    @property
    def is_logged_on(self) -> bool:
        """Tell whether both sides have logged on, and neither has said goodbye."""
        return bool(self._session.isLoggedOn()) and not self._session.sentLogout()

    @property
    def is_over(self) -> bool:
        """Tell whether the session has ended the connection: a refused logon, a logout that was answered, silence."""
        return self._had_logon and not self._session.isLoggedOn()

    def receive(self, text: str) -> None:
        """Act on one message; one that QuickFIX cannot read at all is passed over, and the gap will show."""
        self._had_logon = True
        try:
            self._session.next(text, self._made_at)
        except quickfix.FIXException as error:
            log.warning("fix.unreadable", partner=str(self._id.getTargetCompID()), error=str(error))
        self._in_order()

    def tick(self) -> None:
        """Send the heartbeats and test requests that are due, and notice a partner that has fallen silent."""
        self._session.next(self._made_at)
        self._in_order()

    def send(self, message_type: str, fields: Sequence[tuple[int, str]]) -> None:
        """Send an application message; once the session has ended it only gets its number, to be asked for later."""
        message = quickfix.Message()
        message.getHeader().setField(int(Tag.MSG_TYPE), str(message_type))
        for tag, value in fields:
            message.setField(int(tag), value)
        is_open, before = self.is_logged_on, len(self._calls.output)
        self._session.send(message)
        for sent in self._calls.output[before:]:
            sent.is_open = is_open

    def logout(self, text: str) -> None:
        """Say goodbye, and why."""
        if not self._session.sentLogout():
            self._session.logout(text)
            self.tick()

    def take_inbox(self) -> list[Inbound]:
        """Return the application messages that came since the last time."""
        taken, self._calls.inbox = self._calls.inbox, []
        return [_inbound(text) for text in taken]

    def take_output(self) -> list[Outbound]:
        """Return what is to be stored and sent, in the order of its numbers."""
        taken, self._calls.output = self._calls.output, []
        return [_outbound(each) for each in taken]

    def close(self) -> None:
        """Forget the session; nothing of it is used after this."""
        self._session.disconnect()
        self._calls.output.clear()
        del self._session
        del self._acceptor

    def _in_order(self) -> None:
        """Put what one call sent into the order of its numbers: QuickFIX tells of a gap after what follows it."""
        self._calls.output.sort(key=lambda each: int(fields_of(each.text)[Tag.MSG_SEQ_NUM]))


def _settings(session_id: quickfix.SessionID) -> quickfix.SessionSettings:
    settings, dictionary = quickfix.SessionSettings(), quickfix.Dictionary()
    for name, value in _SETTINGS.items():
        dictionary.setString(name, value)
    settings.set(session_id, dictionary)
    return settings


def _inbound(text: str) -> Inbound:
    fields = fields_of(text)
    return Inbound(int(fields[Tag.MSG_SEQ_NUM]), fields[Tag.MSG_TYPE], fields)


def _outbound(sent: _Sent) -> Outbound:
    fields = fields_of(sent.text)
    is_new = fields.get(Tag.POSS_DUP_FLAG) != "Y"
    # Of a session's own messages FIX wants only rejects sent again.
    is_kept = is_new and (sent.is_application or fields[Tag.MSG_TYPE] == MsgType.REJECT)
    return Outbound(int(fields[Tag.MSG_SEQ_NUM]), sent.text, is_kept, sent.is_open)


def _timestamp(at: datetime) -> quickfix.UtcTimeStamp:
    utc = at.astimezone(UTC)
    return quickfix.UtcTimeStamp(utc.hour, utc.minute, utc.second, 0, utc.day, utc.month, utc.year)
