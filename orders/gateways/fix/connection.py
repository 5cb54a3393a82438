"""One partner's connection: log on, then turns of reading, acting, telling, storing and writing, in that order."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import DatabaseError, InterfaceError

from accounts.api.pool import in_pool
from accounts.consumers import get_guard
from accounts.selectors import account_by_id
from marketdata.hub import TooManyConnections
from orders.domain.fix import MsgType, Tag
from orders.eventstream import AccountFollower
from orders.gateways.fix import wire
from orders.gateways.fix.acting import Clerk
from orders.gateways.fix.engine import FixEngine
from orders.gateways.fix.following import Scope, page_after
from orders.gateways.fix.line import Line
from orders.gateways.fix.logon import Known, Refusal, known
from orders.gateways.fix.outlet import Outlet, TakenOver
from orders.gateways.fix.telling import Message
from orders.services.fix_sessions import OpenFixSession, fix_session_close, fix_session_open
from orders.services.queue import PlacementQueue
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Unavailable
from trading_portal.kernel.failpoints import failpoint

VERIFY_SECONDS = 5.0
# Followed, the log is read when something was published; now and then it is read all the same.
POLL_SECONDS, FOLLOWED_SECONDS = 0.5, 3.0
RECOVER: Final = timedelta(seconds=10)
STOPPING: Final = "The portal is stopping. Log on again shortly."
# A reset answers the Logon with 1, and where that came too early asks for what is missing with 2.
_AFTER_RESET: Final = 3

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class House:
    """What all connections of a process share; `live` are those that are logged on, by key."""

    comp_id: str
    queue: PlacementQueue
    live: dict[UUID, Connection] = field(default_factory=dict)


class Connection:
    """Serve one connection to its end."""

    def __init__(self, house: House, line: Line) -> None:
        self._house = house
        self._line = line
        self._why_over = ""

    async def run(self) -> None:
        """Serve until either side ends it."""
        try:
            logon = await self._line.first()
            if logon is not None:
                await self._serve(logon)
        except (TakenOver, ConnectionError, TimeoutError) as error:
            log.info("fix.connection_over", address=self._line.address, why=str(error))
        except (DatabaseError, InterfaceError, Unavailable) as error:
            log.warning("fix.connection_dropped", address=self._line.address, error=str(error))
        finally:
            await self._line.close()

    def stop(self, text: str) -> None:
        """Say goodbye to the partner, and why."""
        self._why_over = text
        self._line.wake()

    async def _serve(self, logon: str) -> None:
        fields = wire.fields_of(logon)
        found = await known(fields, comp_id=self._house.comp_id, address=self._line.address)
        if isinstance(found, Known) and found.grant.key_pk in self._house.live:
            found = Refusal("This key is logged on already; it has one session at a time.")
        if isinstance(found, Refusal):
            await self._refuse(fields, found.text)
            return
        key_pk = found.grant.key_pk
        self._house.live[key_pk] = self
        try:
            await self._open(logon, fields, found)
        finally:
            del self._house.live[key_pk]

    async def _refuse(self, fields: Mapping[int, str], text: str) -> None:
        partner = fields.get(Tag.SENDER_COMP_ID, "")[:40]
        log.info("fix.logon_refused", address=self._line.address, partner=partner, why=text)
        goodbye = wire.logout(comp_id=self._house.comp_id, partner=partner or "?", text=text, at=clock.now())
        await self._line.write(goodbye)

    async def _open(self, logon: str, fields: Mapping[int, str], who: Known) -> None:
        """Take the session over, and serve it until the connection ends."""
        grant, tells_account = who.grant, fields.get(Tag.TELLS_ACCOUNT) == "Y"
        account = await in_pool(account_by_id, grant.account_id)
        assert account is not None
        session = await in_pool(
            fix_session_open,
            key_pk=grant.key_pk,
            account_id=grant.account_id,
            address=self._line.address,
            cancels_on_disconnect=fields.get(Tag.CANCEL_ON_DISCONNECT) == "Y",
            tells_account=tells_account,
            at=clock.now(),
        )
        scope = Scope(session.id, account.id, account.number, grant.key_id, grant.key_pk, tells_account)
        clerk = Clerk(scope, who.credentials, self._line.address, self._house.queue)
        serving = Serving(self._house.comp_id, self._line, session, scope, clerk)
        log.info("fix.logged_on", partner=grant.key_id, address=self._line.address, session=str(session.id))
        try:
            with get_guard().telling(grant.user_id, serving.access_changed):
                await serving.begin(logon)
                while not serving.is_over:
                    await serving.turn(self._why_over)
        finally:
            serving.close()
            # A partner that the portal itself sends away has the time to come back.
            wait = RECOVER if self._why_over == STOPPING else timedelta(0)
            await in_pool(fix_session_close, session=session, cancel_after=wait, at=clock.now())
            log.info("fix.logged_off", partner=grant.key_id, session=str(session.id))


class Serving:
    """Serve one session on one line, a turn at a time."""

    def __init__(self, comp_id: str, line: Line, session: OpenFixSession, scope: Scope, clerk: Clerk) -> None:
        self._line = line
        self._scope = scope
        self._clerk = clerk
        self._cursor = session.cursor
        self._outlet = Outlet(line, session)
        self._engine = FixEngine(
            comp_id=comp_id,
            partner=scope.key_id,
            next_sender=session.next_sender,
            next_target=session.next_target,
        )
        self._follower = AccountFollower(scope.account_id, self._heard, self._unheard)
        self._following = asyncio.get_running_loop().create_task(self._follow())
        self._is_followed = False
        self._told_at = self._verified_at = 0.0
        self._why_over = ""

    @property
    def is_over(self) -> bool:
        """Tell whether the session or its line has ended."""
        return self._engine.is_over or self._line.is_gone

    async def begin(self, logon: str) -> None:
        """Answer the logon."""
        self._receive(logon)
        await self._outlet.flush(self._engine, self._cursor, ())

    async def turn(self, why_over: str) -> None:
        """Take what has come, act on it, tell what is new in the log, store all of it, and only then write it."""
        was_woken, texts = await self._line.wait()
        for text in texts:
            self._receive(text)
        self._engine.tick()
        answered = await self._act()
        if self._engine.is_logged_on and (was_woken or self._is_due()):
            answered |= await self._tell(answered)
        if goodbye := why_over or self._why_over:
            self._engine.logout(goodbye)
        await self._outlet.flush(self._engine, self._cursor, answered)

    def access_changed(self) -> None:
        """Look at once whether the key still may trade."""
        self._verified_at = -math.inf
        self._line.wake()

    def close(self) -> None:
        """Follow and hold nothing any more."""
        self._following.cancel()
        self._follower.stop()
        self._engine.close()

    # Being woken by the account's events; without that, the log is read often enough

    async def _follow(self) -> None:
        with contextlib.suppress(Unavailable, TooManyConnections):
            await self._follower.start()
            self._is_followed = True
            self._line.wake()

    async def _heard(self, message: Mapping[str, Any] | None) -> None:
        self._line.wake()

    async def _unheard(self, code: int) -> None:
        self._is_followed = False
        log.info("fix.not_woken", partner=self._scope.key_id, code=code)

    def _is_due(self) -> bool:
        quiet = clock.monotonic() - self._told_at
        return quiet > (FOLLOWED_SECONDS if self._is_followed else POLL_SECONDS)

    # The parts of a turn

    def _receive(self, text: str) -> None:
        """Let the engine act on a message, and notice a Logon that begins the numbers again."""
        before = self._engine.next_sender
        self._engine.receive(text)
        if _asks_reset(text) and self._engine.next_sender <= max(before, _AFTER_RESET):
            self._outlet.is_reset = True

    async def _act(self) -> set[int]:
        """Act on what was asked, and return which requests are answered by that."""
        inbox = self._engine.take_inbox()
        if not inbox:
            return set()
        failpoint("fix.before_acting")
        done = await self._clerk.act(inbox)
        failpoint("fix.after_acting")
        self._send(done.messages)
        self._why_over = self._why_over or done.why_over
        return done.answered

    async def _tell(self, answered: set[int]) -> set[int]:
        """Tell one page of the log, look whether the key still may trade, and return which requests that answers."""
        self._told_at = clock.monotonic()
        page = await in_pool(page_after, self._scope, self._cursor, answered)
        self._send(page.messages)
        self._cursor = page.cursor
        if not page.is_last:
            self._line.wake()
        if page.is_revoked or self._told_at - self._verified_at > VERIFY_SECONDS:
            self._verified_at = self._told_at
            self._why_over = self._why_over or await in_pool(self._clerk.may_still, clock.now())
        return {message.answers for message in page.messages if message.answers}

    def _send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._engine.send(message.type, message.fields)


def _asks_reset(text: str) -> bool:
    fields = wire.fields_of(text) if "\x01141=Y\x01" in text else {}
    return fields.get(Tag.MSG_TYPE) == MsgType.LOGON
