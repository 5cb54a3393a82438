"""One partner's connection: log on, then turns of reading, acting, telling, storing and writing, in that order.

What is written was stored before, with its numbers and with how far the log was told, in one transaction. Who is
killed in between has said nothing: the partner's messages come again, the log is told again under the same ExecIDs,
and what was stored but not written is asked for by its numbers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import DatabaseError, InterfaceError

from accounts.api.authentication import credentials_usable
from accounts.api.pool import in_pool
from accounts.domain.keys import SCOPE_TRADE, grant_refusal
from accounts.domain.types import KeyGrant
from accounts.selectors import account_by_id, keys_verify
from marketdata.hub import TooManyConnections
from orders.domain.errors import KeyForbidden, KeyNotAccepted
from orders.domain.fix import BEGIN_STRING, MsgType, Tag
from orders.eventstream import AccountFollower
from orders.gateways.fix import wire
from orders.gateways.fix.acting import Clerk
from orders.gateways.fix.engine import FixEngine, Outbound
from orders.gateways.fix.following import Scope, page_after
from orders.gateways.fix.telling import Message
from orders.selectors.fix import fix_messages_between
from orders.services.fix_sessions import OpenFixSession, fix_session_close, fix_session_open, fix_session_save
from orders.services.queue import PlacementQueue
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Unavailable
from trading_portal.kernel.failpoints import failpoint

LOGON_SECONDS = 10.0
TICK_SECONDS = 0.25
VERIFY_SECONDS = 5.0
# Followed, the log is read when something was published; now and then it is read all the same.
POLL_SECONDS, FOLLOWED_SECONDS = 0.5, 3.0
WRITE_SECONDS = 10.0
CHUNK = 65_536
WAITING = 1_024
BATCH = 256
RESENT = 1_000
RECOVER: Final = timedelta(seconds=10)
# A reset answers the Logon with 1, and where that came too early asks for what is missing with 2.
_AFTER_RESET: Final = 3
STOPPING: Final = "The portal is stopping. Log on again shortly."

log = structlog.get_logger(__name__)


class ConnectionOver(Exception):
    """End a connection: the partner is gone, or somebody else has taken its session over."""


@dataclass(frozen=True, slots=True)
class House:
    """What all connections of a process share."""

    comp_id: str
    queue: PlacementQueue
    live: dict[UUID, Connection] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Say why a logon is refused."""

    text: str


class Connection:
    """Serve one connection to its end."""

    def __init__(self, house: House, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._house = house
        self._reader = reader
        self._writer = writer
        self._address = str((writer.get_extra_info("peername") or ("",))[0])
        self._frames: asyncio.Queue[str | None] = asyncio.Queue(WAITING)
        self._woken = asyncio.Event()
        self._stops = ""
        self._is_gone = False
        self._verified_at = self._told_at = 0.0
        self._is_followed = False
        self._saved: tuple[int, int, int] = (0, 0, 0)
        self._cursor = 0
        self._is_reset = False

    async def run(self) -> None:
        """Serve until either side ends it."""
        reading = asyncio.get_running_loop().create_task(self._read())
        try:
            logon = await self._first()
            if logon is not None:
                await self._serve(logon)
        except (ConnectionOver, ConnectionError, TimeoutError) as error:
            log.info("fix.connection_over", address=self._address, why=str(error))
        except (DatabaseError, InterfaceError, Unavailable) as error:
            log.warning("fix.connection_dropped", address=self._address, error=str(error))
        finally:
            reading.cancel()
            self._writer.close()
            with contextlib.suppress(Exception):
                await self._writer.wait_closed()

    def stop(self, text: str) -> None:
        """Say goodbye to the partner, and why."""
        self._stops = text
        self._woken.set()

    # Who it is

    async def _read(self) -> None:
        """Pass on messages as they arrive, and no faster than they are acted on; None marks the end."""
        framer = wire.Framer()
        try:
            while data := await self._reader.read(CHUNK):
                for text in framer.feed(data):
                    await self._frames.put(text)
                    self._woken.set()
        except (OSError, wire.WireError) as error:
            log.info("fix.reading_over", address=self._address, error=str(error))
        await self._frames.put(None)
        self._woken.set()

    async def _first(self) -> str | None:
        """Return the first message, which must come soon."""
        try:
            async with asyncio.timeout(LOGON_SECONDS):
                return await self._frames.get()
        except TimeoutError:
            return None

    async def _serve(self, logon: str) -> None:
        fields = wire.fields_of(logon)
        found = await self._authenticated(fields)
        if isinstance(found, Refusal):
            await self._refuse(fields, found.text)
            return
        grant, credentials = found
        if grant.key_pk in self._house.live:
            await self._refuse(fields, "This key is logged on already; it has one session at a time.")
            return
        self._house.live[grant.key_pk] = self
        try:
            await self._open(logon, fields, grant, credentials)
        finally:
            del self._house.live[grant.key_pk]

    async def _authenticated(self, fields: Mapping[int, str]) -> tuple[KeyGrant, tuple[str, str]] | Refusal:
        """Return what the sender's key grants, or why it is not let in; nothing of a session is touched before."""
        if fields.get(Tag.MSG_TYPE) != MsgType.LOGON or fields.get(8) != BEGIN_STRING:
            return Refusal(f"The first message must be a {BEGIN_STRING} Logon.")
        if fields.get(Tag.TARGET_COMP_ID) != self._house.comp_id:
            return Refusal(f"TargetCompID (56) must be {self._house.comp_id}.")
        secret = fields.get(Tag.PASSWORD) or fields.get(Tag.RAW_DATA)
        credentials = credentials_usable(fields.get(Tag.SENDER_COMP_ID), secret)
        if credentials is None:
            return Refusal(KeyNotAccepted().sentence)
        (grant,) = await in_pool(keys_verify, [credentials], clock.now())
        if grant is None:
            return Refusal(KeyNotAccepted().sentence)
        why = grant_refusal(grant, scope=SCOPE_TRADE, address=self._address)
        return Refusal(KeyForbidden(why).sentence) if why else (grant, credentials)

    async def _refuse(self, fields: Mapping[int, str], text: str) -> None:
        partner = fields.get(Tag.SENDER_COMP_ID, "")[:40]
        log.info("fix.logon_refused", address=self._address, partner=partner, why=text)
        message = wire.logout(comp_id=self._house.comp_id, partner=partner or "?", text=text, at=clock.now())
        await self._write(message)

    # The session

    async def _open(self, logon: str, fields: Mapping[int, str], grant: KeyGrant, keyed: tuple[str, str]) -> None:
        account = await in_pool(account_by_id, grant.account_id)
        assert account is not None
        tells_account = fields.get(Tag.TELLS_ACCOUNT) == "Y"
        session = await in_pool(
            fix_session_open,
            key_pk=grant.key_pk,
            account_id=grant.account_id,
            address=self._address,
            cancels_on_disconnect=fields.get(Tag.CANCEL_ON_DISCONNECT) == "Y",
            tells_account=tells_account,
            at=clock.now(),
        )
        scope = Scope(session.id, account.id, account.number, grant.key_id, grant.key_pk, tells_account)
        engine = FixEngine(
            comp_id=self._house.comp_id,
            partner=grant.key_id,
            next_sender=session.next_sender,
            next_target=session.next_target,
        )
        follower = AccountFollower(account.id, self._heard, self._unheard)
        self._cursor, self._saved = session.cursor, (session.next_sender, session.next_target, session.cursor)
        clerk = Clerk(scope, keyed, self._address, self._house.queue)
        following = asyncio.get_running_loop().create_task(self._follow(follower))
        log.info("fix.logged_on", partner=grant.key_id, address=self._address, session=str(session.id))
        try:
            self._receive(engine, logon)
            await self._flush(engine, session, set())
            while not (engine.is_over or self._is_gone):
                await self._turn(engine, session, scope, clerk)
        finally:
            following.cancel()
            follower.stop()
            engine.close()
            # A partner that the portal itself sends away has the time to come back.
            wait = RECOVER if self._stops == STOPPING else timedelta(0)
            await in_pool(fix_session_close, session=session, cancel_after=wait, at=clock.now())
            log.info("fix.logged_off", partner=grant.key_id, session=str(session.id))

    async def _follow(self, follower: AccountFollower) -> None:
        """Be woken by the account's events; without that, the ticks look for them."""
        with contextlib.suppress(Unavailable, TooManyConnections):
            await follower.start()
            self._is_followed = True
            self._woken.set()

    async def _heard(self, message: Mapping[str, Any] | None) -> None:
        self._woken.set()

    async def _unheard(self, code: int) -> None:
        self._is_followed = False
        log.info("fix.not_woken", address=self._address, code=code)

    async def _turn(self, engine: FixEngine, session: OpenFixSession, scope: Scope, clerk: Clerk) -> None:
        """Take what has come, act on it, tell what is new in the log, store all of it, and only then write it."""
        was_woken, frames = await self._wait()
        for text in frames:
            self._receive(engine, text)
        engine.tick()
        answered: set[int] = set()
        if inbox := engine.take_inbox():
            failpoint("fix.before_acting")
            done = await clerk.act(inbox)
            failpoint("fix.after_acting")
            _send(engine, done.messages)
            answered |= done.answered
            self._stops = self._stops or done.why_over
        quiet = clock.monotonic() - self._told_at
        is_due = was_woken or quiet > (FOLLOWED_SECONDS if self._is_followed else POLL_SECONDS)
        if engine.is_logged_on and is_due:
            answered |= await self._tell(engine, scope, clerk, answered)
        if self._stops:
            engine.logout(self._stops)
        await self._flush(engine, session, answered)

    def _receive(self, engine: FixEngine, text: str) -> None:
        """Let the engine act on a message, and notice a Logon that begins the numbers again."""
        before = engine.next_sender
        engine.receive(text)
        if _asks_reset(text) and engine.next_sender <= max(before, _AFTER_RESET):
            self._is_reset = True

    async def _wait(self) -> tuple[bool, list[str]]:
        """Return the messages that came, at once when there are any, else when woken or with the next tick."""
        if self._frames.empty():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._woken.wait()
        was_woken = self._woken.is_set() or not self._frames.empty()
        self._woken.clear()
        found: list[str] = []
        while len(found) < BATCH and not self._frames.empty():
            text = self._frames.get_nowait()
            if text is None:
                self._is_gone = True
                break
            found.append(text)
        return was_woken, found

    async def _tell(self, engine: FixEngine, scope: Scope, clerk: Clerk, answered: set[int]) -> set[int]:
        """Tell one page of the log, and look whether the key still may trade."""
        self._told_at = clock.monotonic()
        page = await in_pool(page_after, scope, self._cursor, answered)
        _send(engine, page.messages)
        self._cursor = page.cursor
        if not page.is_last:
            self._woken.set()
        if page.is_revoked or clock.monotonic() - self._verified_at > VERIFY_SECONDS:
            self._verified_at = clock.monotonic()
            self._stops = self._stops or await in_pool(clerk.may_still, clock.now())
        return {message.answers for message in page.messages if message.answers}

    # What goes out

    async def _flush(self, engine: FixEngine, session: OpenFixSession, answered: set[int]) -> None:
        """Store what is to be sent with its numbers and how far the log was told; then write it."""
        output = engine.take_output()
        moved = (engine.next_sender, engine.next_target, self._cursor)
        if moved != self._saved or answered or output:
            await self._save(session, moved, output, answered)
        failpoint("fix.before_writing")
        for each in output:
            if each.is_sent:
                await self._write_filled(session, each.text)

    async def _save(
        self, session: OpenFixSession, moved: tuple[int, int, int], output: Sequence[Outbound], answered: set[int]
    ) -> None:
        is_saved = await in_pool(
            fix_session_save,
            session=session,
            next_sender=moved[0],
            next_target=moved[1],
            cursor=moved[2],
            sent=[(each.number, each.text) for each in output if each.is_kept],
            answered=answered,
            is_reset=self._is_reset,
            at=clock.now(),
        )
        if not is_saved:
            raise ConnectionOver("Another connection has taken the session over.")
        self._saved, self._is_reset = moved, False

    async def _write_filled(self, session: OpenFixSession, text: str) -> None:
        """Write a message; in place of a gap what was sent in it, however long that is, a part at a time."""
        if wire.gap_range(text) is None:
            await self._write(text)
            return
        for part in wire.gap_parts(text, RESENT):
            stored = await in_pool(fix_messages_between, session.id, *(wire.gap_range(part) or (0, 0)))
            await self._write("".join(wire.gap_filled(part, stored, at=clock.now())))

    async def _write(self, text: str) -> None:
        self._writer.write(text.encode())
        async with asyncio.timeout(WRITE_SECONDS):
            await self._writer.drain()


def _asks_reset(text: str) -> bool:
    fields = wire.fields_of(text) if "\x01141=Y\x01" in text else {}
    return fields.get(Tag.MSG_TYPE) == MsgType.LOGON


def _send(engine: FixEngine, messages: Sequence[Message]) -> None:
    for message in messages:
        engine.send(message.type, message.fields)
