"""The FIX broker: an initiator's session with one venue, behind the same protocol as any other adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

import structlog
from django.db import DatabaseError, InterfaceError, connection

from orders.brokers.fix.folder import session_folder
from orders.brokers.fix.inbox import FixInbox, Question
from orders.brokers.fix.link import FixLink
from orders.brokers.fix.messages import Received
from orders.brokers.fix.profile import FixProfile
from orders.brokers.fix.requests import FixRequests
from orders.brokers.fix.store import FixStore
from orders.brokers.protocol import DropCopy, OnReports, VenueCancel, VenueGone, VenueOrder, VenueReplace
from orders.domain.reports import VenueReport
from trading_portal.kernel import clock

STOP_SECONDS: Final = 4.0
T = TypeVar("T")
log = structlog.get_logger(__name__)


class FixBroker:
    """Speak FIX 4.4 to a venue. Every request is stored under its ClOrdID before it is sent, every report as it comes.

    Requests go out from a thread of their own, reports come in on another; both have their own database connection.
    A line that breaks is made again by the engine; what was asked meanwhile is in doubt, never sent late by surprise.
    FIX has no drop copy of its own: ours is what this session received, which resends make whole. What a venue never
    sent to this session (a session reset that lost messages, a trade done by phone) only its separate drop copy
    session or its end-of-day files would add.
    """

    def __init__(self, name: str, profile: FixProfile, root: Path) -> None:
        self._name = name
        self._profile = profile
        self._root = root
        self._store = FixStore(name)
        self._inbox = FixInbox(self._store, self._keep_line)
        self._link: FixLink | None = None
        self._stopping = False
        self._is_displaced = False
        self._requests = FixRequests(name, profile, self._store, self._inbox, self._line)
        self._sender = ThreadPoolExecutor(1, thread_name_prefix=f"fix-{name}-send")

    @property
    def name(self) -> str:
        """Return the venue's name."""
        return self._name

    @property
    def endpoint(self) -> str:
        """Return where it speaks to."""
        return f"{self._profile.host}:{self._profile.port}"

    async def start(self, on_reports: OnReports) -> None:
        """Log on; raise ConnectionError when the venue does not answer, after which it may be called again."""
        self._inbox.on_reports = on_reports
        if not await self._in_turn(self._open):
            raise ConnectionError(f"{self._name} does not answer at {self.endpoint}.")

    async def stop(self) -> None:
        """Log out, having reported what came before."""
        if self._stopping:
            return
        self._stopping = True
        await asyncio.get_running_loop().run_in_executor(self._sender, self._close)
        await asyncio.to_thread(self._sender.shutdown)

    async def submit(self, orders: Sequence[VenueOrder]) -> None:
        """Send orders; one that the venue answered before is answered again from what is stored."""
        await self._in_turn(partial(self._requests.submit, orders))

    async def cancel(self, cancels: Sequence[VenueCancel]) -> None:
        """Ask for cancels."""
        await self._in_turn(partial(self._requests.cancel, cancels))

    async def replace(self, replaces: Sequence[VenueReplace]) -> None:
        """Ask for changes."""
        await self._in_turn(partial(self._requests.replace, replaces))

    async def query(self, order_ids: Sequence[UUID]) -> Sequence[VenueReport]:
        """Ask for the status of orders; return every report so far. TimeoutError when the venue answers none."""
        asked = await self._in_turn(partial(self._requests.ask_status, order_ids))
        answered = await self._answers({name: question for (name, _), question in asked.items()})
        if asked and not answered:
            raise TimeoutError(f"{self._name} does not answer status requests.")
        answers = {order_id: answered[name][0] for name, order_id in asked if name in answered}
        return await self._in_turn(partial(self._requests.all_known, order_ids, answers))

    async def _answers(self, questions: Mapping[str, Question]) -> Mapping[str, list[Received]]:
        """Wait for answers; return those that came in time."""
        if questions:
            waiting = [asyncio.wrap_future(question.complete) for question in questions.values()]
            await asyncio.wait(waiting, timeout=self._profile.answer_seconds)
        for name in questions:
            self._inbox.questions.pop(name, None)
        return {name: question.answers for name, question in questions.items() if question.complete.done()}

    async def drop_copy(self, since_id: int) -> DropCopy:
        """Return what this session received after a point, oldest first."""
        self._require_ours()
        return await asyncio.to_thread(self._read_drop_copy, since_id)

    async def _in_turn(self, call: Callable[[], T]) -> T:
        """Run a call on the sending thread, after all that was asked before."""
        self._require_ours()
        return await asyncio.get_running_loop().run_in_executor(self._sender, self._guarded, call)

    def _guarded(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except (DatabaseError, InterfaceError):
            connection.close()
            raise

    def _require_ours(self) -> None:
        if self._stopping or self._is_displaced:
            raise VenueGone(f"{self._name} is spoken to from elsewhere, or not any more.")

    def _line(self) -> FixLink:
        self._require_ours()
        if self._link is None or not self._link.is_up:
            raise ConnectionError(f"{self._name} is not logged on.")
        return self._link

    # The line

    def _open(self) -> bool:
        """Take the session over and log on; leave nothing behind that goes on trying when that fails."""
        if self._link is None:
            era, received_up_to = self._store.open(clock.now())
            folder = session_folder(self._root, self._name, self._store.generation)
            link = FixLink(self._name, self._profile, self._inbox.take)
            link.open(folder, era, received_up_to)
            self._link = link
            self._inbox.start()
        if self._link.wait_until_up(self._profile.answer_seconds):
            return True
        self._link.close()
        self._link = None
        return False

    def _keep_line(self) -> None:
        """Let a broken line be made again, unless another process has taken the session over."""
        link = self._link
        if link is None or link.is_up or self._is_displaced:
            return
        if self._store.is_ours():
            link.reconnect()
        else:
            log.warning("fix.displaced", venue=self._name, generation=self._store.generation)
            self._is_displaced = True

    def _close(self) -> None:
        if self._link is not None:
            self._link.close()
        self._inbox.stop(STOP_SECONDS)
        connection.close()

    def _read_drop_copy(self, since_id: int) -> DropCopy:
        try:
            return self._store.reports_after(since_id)
        finally:
            connection.close()


class MassStatusFixBroker(FixBroker):
    """Speak to a venue that answers when it is asked for all open orders at once."""

    async def open_orders(self) -> Collection[UUID]:
        """Return the orders that work there, ours or not."""
        name, question = await self._in_turn(self._requests.ask_open)
        answered = await self._answers({name: question})
        if name not in answered:
            raise TimeoutError(f"{self._name} does not answer a mass status request.")
        return await self._in_turn(partial(self._requests.orders_in, answered[name]))


def fix_broker(name: str, profile: FixProfile, root: Path) -> FixBroker:
    """Return the adapter of a venue by what the venue can do."""
    return (MassStatusFixBroker if profile.mass_status else FixBroker)(name, profile, root)
