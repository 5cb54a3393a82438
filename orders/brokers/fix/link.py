"""A FIX session with a venue, on QuickFIX: numbers, heartbeats and resends are the engine's, what they mean is not."""

from __future__ import annotations

import re
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final

import quickfix
import structlog

from orders.brokers.fix.messages import Message, Received, received
from orders.brokers.fix.profile import FixProfile, engine_settings
from orders.domain.fix import BEGIN_STRING, MsgType, Tag

REMEMBERED: Final = 50_000
_TOO_LOW = re.compile(r"MsgSeqNum too low, expecting (\d{1,18})", re.ASCII)
log = structlog.get_logger(__name__)


class FixEngine(quickfix.Application):
    """Hear QuickFIX out, on its threads: hand everything on and return at once.

    Nothing may be raised here but what QuickFIX knows: anything else stops its thread for good.
    """

    def __init__(self, venue: str, profile: FixProfile, on_message: Callable[[Received, str], None]) -> None:
        super().__init__()
        self.era_file = Path()
        self.up = threading.Event()
        self.down = threading.Event()
        self.lowest_sender = 0
        self._era = ""
        self._venue = venue
        self._profile = profile
        self._on_message = on_message
        self._names: OrderedDict[int, str] = OrderedDict()

    def onCreate(self, session_id: quickfix.SessionID) -> None:  # noqa: N802 - QuickFIX names it
        """Do nothing: the session exists."""

    def onLogon(self, session_id: quickfix.SessionID) -> None:  # noqa: N802
        """Note that the venue speaks to us."""
        log.info("fix.logged_on", venue=self._venue)
        self.down.clear()
        self.up.set()

    def onLogout(self, session_id: quickfix.SessionID) -> None:  # noqa: N802
        """Note that the line is gone, and let none be made until somebody allows it."""
        log.warning("fix.logged_out", venue=self._venue)
        quickfix.Session.lookupSession(session_id).logout()
        self.up.clear()
        self.down.set()

    def toAdmin(self, message: quickfix.Message, session_id: quickfix.SessionID) -> None:  # noqa: N802
        """Say who we are."""
        if message.getHeader().getField(int(Tag.MSG_TYPE)) != MsgType.LOGON:
            return
        for tag, value in ((Tag.USERNAME, self._profile.username), (Tag.PASSWORD, self._profile.password)):
            if value:
                message.setField(int(tag), value)

    def toApp(self, message: quickfix.Message, session_id: quickfix.SessionID) -> None:  # noqa: N802
        """Let a request go out once: one that the venue missed is asked about, and never repeated blindly."""
        header = message.getHeader()
        if header.isSetField(int(Tag.POSS_DUP_FLAG)) and header.getField(int(Tag.POSS_DUP_FLAG)) == "Y":
            raise quickfix.DoNotSend
        if message.isSetField(int(Tag.CL_ORD_ID)):
            self._names[int(header.getField(int(Tag.MSG_SEQ_NUM)))] = message.getField(int(Tag.CL_ORD_ID))
        if len(self._names) > REMEMBERED:
            self._names.popitem(last=False)

    def fromAdmin(self, message: quickfix.Message, session_id: quickfix.SessionID) -> None:  # noqa: N802
        """Hand on what refuses a request; note what ends or begins a session."""
        heard = received(message.toString())
        if heard.msg_type == MsgType.LOGON:
            self._era = self.read_era()
        elif heard.msg_type == MsgType.LOGOUT:
            log.warning("fix.venue_logs_out", venue=self._venue, text=heard.get(Tag.TEXT))
            if found := _TOO_LOW.search(heard.get(Tag.TEXT)):
                self.lowest_sender = int(found[1])
        elif heard.msg_type == MsgType.REJECT:
            self._hand_on(heard)

    def fromApp(self, message: quickfix.Message, session_id: quickfix.SessionID) -> None:  # noqa: N802
        """Hand on what the venue says."""
        self._hand_on(received(message.toString()))

    def read_era(self) -> str:
        """Return since when the session's numbers run; nothing when that cannot be read."""
        try:
            return self.era_file.read_text().strip()
        except OSError:
            log.exception("fix.era_unread", venue=self._venue)
            return ""

    def _hand_on(self, heard: Received) -> None:
        if heard.msg_type in (MsgType.REJECT, MsgType.BUSINESS_REJECT):
            self._name_refused(heard)
        self._on_message(heard, self._era)

    def _name_refused(self, heard: Received) -> None:
        """Add the ClOrdID of the message that is refused by its number only."""
        refused = heard.get(Tag.REF_SEQ_NUM)
        if not heard.get(Tag.BUSINESS_REJECT_REF_ID) and refused.isascii() and refused.isdigit():
            heard.fields[Tag.BUSINESS_REJECT_REF_ID] = self._names.get(int(refused), "")


class FixLink:
    """One session from its opening to its close."""

    def __init__(self, venue: str, profile: FixProfile, on_message: Callable[[Received, str], None]) -> None:
        self._venue = venue
        self._engine = FixEngine(venue, profile, on_message)
        self._profile = profile
        self._id = quickfix.SessionID(BEGIN_STRING, profile.sender_comp_id, profile.target_comp_id)
        # QuickFIX keeps no hold of what it is given: all of it must outlive the initiator.
        self._settings: quickfix.SessionSettings | None = None
        self._stores: quickfix.FileStoreFactory | None = None
        self._initiator: quickfix.SocketInitiator | None = None

    @property
    def is_up(self) -> bool:
        """Tell whether the venue is logged on."""
        return self._engine.up.is_set()

    def open(self, folder: Path, era: str, received_up_to: int) -> None:
        """Begin to connect. What the engine got and we did not record before we died is asked for again."""
        with tempfile.NamedTemporaryFile("w", suffix=".cfg", dir=folder) as file:
            file.write(engine_settings(self._profile, folder))
            file.flush()
            self._settings = quickfix.SessionSettings(file.name)
        self._stores = quickfix.FileStoreFactory(self._settings)
        self._engine.era_file = folder / f"{self._id.toString().replace(':', '-').replace('->', '-')}.session"
        self._initiator = quickfix.SocketInitiator(self._engine, self._stores, self._settings)
        recorded = received_up_to if era and era == self._engine.read_era() else 0
        session = self._session()
        if recorded + 1 < session.getExpectedTargetNum():
            log.info("fix.asks_again", venue=self._venue, since=recorded + 1, until=session.getExpectedTargetNum())
            session.setNextTargetMsgSeqNum(recorded + 1)
        self._initiator.start()

    def wait_until_up(self, seconds: float) -> bool:
        """Wait for the venue to be logged on; tell whether it is."""
        return self._engine.up.wait(seconds)

    def reconnect(self) -> None:
        """Let the line be made again after it was lost; take the number that the venue says it expects."""
        if self._engine.down.is_set() and self._initiator is not None:
            session = self._session()
            if self._engine.lowest_sender > session.getExpectedSenderNum():
                log.warning("fix.number_adopted", venue=self._venue, number=self._engine.lowest_sender)
                session.setNextSenderMsgSeqNum(self._engine.lowest_sender)
            self._engine.lowest_sender = 0
            self._engine.down.clear()
            session.logon()

    def send(self, message: Message) -> bool:
        """Send one message; tell whether the engine took it for a line that was up."""
        built = quickfix.Message()
        built.getHeader().setField(int(Tag.MSG_TYPE), message.msg_type.value)
        if message.is_possible_resend:
            built.getHeader().setField(int(Tag.POSS_RESEND), "Y")
        for tag, value in message.fields:
            built.setField(int(tag), value)
        for count_tag, fields in message.groups:
            group = quickfix.Group(int(count_tag), int(fields[0][0]))
            for tag, value in fields:
                group.setField(int(tag), value)
            built.addGroup(group)
        return bool(quickfix.Session.sendToTarget(built, self._id)) and self.is_up

    def close(self) -> None:
        """Log out, and end the engine's threads."""
        initiator, self._initiator = self._initiator, None
        if initiator is None:
            return
        if self.is_up:
            session = self._session()
            session.logout("")
            session.next(quickfix.UtcTimeStamp.now())
        initiator.stop(True)
        self._engine.up.clear()

    def _session(self) -> quickfix.Session:
        return quickfix.Session.lookupSession(self._id)
