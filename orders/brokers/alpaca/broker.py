"""Speak to an Alpaca account: orders by REST, reports by its stream, and whatever was missed by asking."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connection

from orders.brokers.alpaca.asking import Asking
from orders.brokers.alpaca.conversing import Conversation
from orders.brokers.alpaca.profile import AlpacaProfile
from orders.brokers.alpaca.rest import AlpacaRest
from orders.brokers.alpaca.stream import TradeUpdates
from orders.brokers.alpaca.teller import Teller
from orders.brokers.alpaca.words import Fields
from orders.brokers.copies import OrderName
from orders.brokers.protocol import DropCopy, OnReports, VenueCancel, VenueGone, VenueOrder, VenueReplace
from orders.domain.reports import ReportKind, VenueReport
from trading_portal.kernel import clock

OPEN_NAMES = 5000
RETRY_SECONDS = 0.25
T = TypeVar("T")
log = structlog.get_logger(__name__)


class AlpacaBroker:
    """One account at Alpaca, or at whatever speaks its API.

    Three kinds of threads: couriers wait for REST, the stream's hears, and the desk, one thread with a database
    connection of its own, keeps and reports what both brought, in the order they brought it.
    """

    def __init__(self, name: str, profile: AlpacaProfile) -> None:
        self._name = name
        self._profile = profile
        self._is_stopping = False
        self._is_started = False
        self._tails: dict[UUID, asyncio.Task[None]] = {}
        self._caught_up_at: float | None = None
        self._catching_up = asyncio.Lock()

    @property
    def name(self) -> str:
        """Return the venue's name."""
        return self._name

    @property
    def endpoint(self) -> str:
        """Return the address that is spoken to, for whoever decides which may be."""
        return self._profile.url

    async def start(self, on_reports: OnReports) -> None:
        """Check the key, begin to listen; raise when the venue cannot be reached."""
        self._loop = asyncio.get_running_loop()
        self._rest = AlpacaRest(self._profile)
        self._asking = Asking(self._rest)
        self._teller = Teller(self._name, on_reports)
        self._couriers = ThreadPoolExecutor(self._profile.couriers, thread_name_prefix=f"courier-{self._name}")
        self._desk = ThreadPoolExecutor(1, thread_name_prefix=f"desk-{self._name}")
        self._talk = Conversation(self._rest, self._asking, self._teller, self._at_desk_now, self._profile)
        self._updates = TradeUpdates(self._profile, self._heard, self._listening)
        self._is_stopping, self._caught_up_at = False, None
        try:
            await self._connect()
        except BaseException:  # also when whoever started us has lost patience: nothing may go on unseen
            await self._end()
            raise
        self._is_started = True

    async def _connect(self) -> None:
        await self._by_courier(self._rest.get, "/account")
        self._updates.start()
        if not await self._by_courier(self._updates.is_listening.wait, self._profile.connect_seconds):
            raise ConnectionError(f"The stream of {self._name} does not answer.")

    async def stop(self) -> None:
        """Hang up, and report what was already heard."""
        if self._is_started:
            self._is_started = False
            await self._end()

    async def _end(self) -> None:
        self._is_stopping = True
        self._rest.stop()
        for task in self._tails.values():
            task.cancel()
        await asyncio.to_thread(self._updates.stop)
        self._couriers.shutdown(wait=False, cancel_futures=True)
        self._desk.submit(connection.close)
        await asyncio.to_thread(self._desk.shutdown)

    # What is sent

    async def submit(self, orders: Sequence[VenueOrder]) -> None:
        """Send orders; an order that the venue already has is answered with the state it has."""
        self._require_here()
        once = {str(order.order_id): order for order in orders}
        names = [(name, order.order_id) for name, order in once.items()]
        kept = await self._at_desk(self._teller.copies.names_keep, names, is_replace=False, at=clock.now())
        await self._say(
            (order.order_id, partial(self._talk.submit, order, is_new=kept[name][1])) for name, order in once.items()
        )

    async def cancel(self, cancels: Sequence[VenueCancel]) -> None:
        """Ask for cancels."""
        self._require_here()
        await self._say((each.order_id, partial(self._talk.cancel, each.order_id)) for each in cancels)

    async def replace(self, replaces: Sequence[VenueReplace]) -> None:
        """Ask for changes: the venue gives the order a new id, which stands for the same order of ours."""
        self._require_here()
        await self._say((each.order_id, partial(self._talk.replace, each)) for each in replaces)

    async def _say(self, messages: Any) -> None:
        """Have couriers carry messages, those of one order in their order; raise what failed while we waited.

        What is still on its way when our patience ends goes on; nobody takes that for an answer.
        """
        tasks = [self._queue(order_id, call) for order_id, call in messages]
        if not tasks:
            return
        done, waiting = await asyncio.wait(tasks, timeout=self._profile.patience_seconds)
        failures = [error for task in done if not task.cancelled() and (error := task.exception())]
        if failures:
            raise failures[0]
        if waiting and not done:
            raise TimeoutError(f"{self._name} has not answered yet.")

    def _queue(self, order_id: UUID, call: Callable[[], None]) -> asyncio.Task[None]:
        before = self._tails.get(order_id)
        task = self._loop.create_task(self._after(before, call))
        self._tails[order_id] = task
        task.add_done_callback(lambda done: self._carried(order_id, done))
        return task

    async def _after(self, before: asyncio.Task[None] | None, call: Callable[[], None]) -> None:
        if before is not None:
            await asyncio.wait([before])
        await self._by_courier(call)

    def _carried(self, order_id: UUID, task: asyncio.Task[None]) -> None:
        if self._tails.get(order_id) is task:
            del self._tails[order_id]
        if not task.cancelled() and (error := task.exception()):
            log.warning("alpaca.in_doubt", venue=self._name, order_id=str(order_id), error=repr(error))

    # What is asked

    async def query(self, order_ids: Sequence[UUID]) -> Sequence[VenueReport]:
        """Return every report of these orders so far; `status_unknown_order` for one the venue never heard of.

        An order that was sent a moment ago, or is still being sent, is neither: it may yet arrive.
        """
        self._require_here()
        names: list[OrderName] = await self._at_desk(self._teller.copies.names_of, order_ids)
        stray = [order_id for order_id in order_ids if order_id not in {name.order_id for name in names}]
        asked = names + [OrderName(str(each), each, 0, None, clock.now(), False) for each in stray]
        found = await self._ask([name for name in asked if not name.has_ended])
        copies = await self._at_desk(self._teller.copies.of, order_ids)
        heard_of = {copy.report.order_id for copy in copies}
        settled = clock.now() - timedelta(seconds=self._profile.settle_seconds)
        unknown = [
            name.order_id
            for name in asked
            if name.number == 0
            and name.order_id not in heard_of
            and name.order_id not in self._tails
            and (name.order_id in stray or name.sent_at <= settled)
            and found.get(name.name, name) is None
        ]
        return [copy.report for copy in copies] + [self._unknown(order_id) for order_id in unknown]

    async def drop_copy(self, since_id: int) -> DropCopy:
        """Return reports after a point, oldest first; what the stream may have missed is asked for first."""
        self._require_here()
        is_listening = self._updates.is_listening.is_set()
        patience = self._profile.sweep_seconds if is_listening else self._profile.poll_seconds
        if self._caught_up_at is None or clock.monotonic() - self._caught_up_at > patience:
            await self._catch_up()
        page: DropCopy = await self._at_desk(self._teller.copies.after, since_id)
        return page

    async def open_orders(self) -> Collection[UUID]:
        """Return the orders that work there; one that is not ours under an id that nobody knows."""
        self._require_here()
        standing = await self._by_courier(self._asking.open_orders)
        ids: set[UUID] = await self._at_desk(self._teller.ours, standing)
        return ids

    async def _ask(self, names: Sequence[OrderName]) -> dict[str, Fields | None]:
        """Ask how orders stand, and tell what is new of them."""
        found: dict[str, Fields | None] = await self._by_courier(self._asking.orders, names)
        known = [order for order in found.values() if order is not None]
        traded = [order for order in known if order.get("filled_qty") not in (None, "", "0", 0)]
        fills = await self._by_courier(self._asking.fills_of, traded)
        await self._at_desk(self._teller.snapshots, known, fills, clock.now())
        return found

    async def _catch_up(self) -> None:
        """Ask for everything that may have happened unheard: how open orders stand, and what was traded."""
        async with self._catching_up:
            began_at = clock.monotonic()
            names = await self._at_desk(self._teller.copies.names_open, OPEN_NAMES)
            since = await self._at_desk(self._teller.copies.trades_known_until)
            fills: list[Fields] = []
            if since is not None:
                overlap = timedelta(seconds=self._profile.overlap_seconds)
                fills = await self._by_courier(self._asking.fills, since - overlap)
            found = await self._by_courier(self._asking.orders, names)
            known = [order for order in found.values() if order is not None]
            await self._at_desk(self._teller.snapshots, known, fills, clock.now())
            self._caught_up_at = began_at

    def _unknown(self, order_id: UUID) -> VenueReport:
        return VenueReport(
            venue=self._name, kind=ReportKind.STATUS_UNKNOWN_ORDER, order_id=order_id, executed_at=clock.now()
        )

    # What is heard, on the stream's thread

    def _heard(self, update: Fields) -> None:
        with contextlib.suppress(RuntimeError):  # the desk has closed: the next adapter asks for what comes now
            self._desk.submit(self._take, update)

    def _take(self, update: Fields) -> None:
        try:
            order_id = self._kept(self._teller.update, update, clock.now())
        except Exception:
            log.exception("alpaca.update_not_taken", venue=self._name, update=update)
            self._caught_up_at = None
            return
        if order_id is not None:
            self._in_background(self._ask_about(order_id))

    async def _ask_about(self, order_id: UUID) -> None:
        names = await self._at_desk(self._teller.copies.names_of, [order_id])
        await self._ask(names)

    def _listening(self) -> None:
        """Ask for what was missed, now that nothing more will be."""
        self._caught_up_at = None
        self._in_background(self._catch_up())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something on the loop; what fails is done by the next drop copy."""
        try:
            running: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            return
        running.add_done_callback(self._done_in_background)

    def _done_in_background(self, done: Future[None]) -> None:
        if not done.cancelled() and (error := done.exception()) and not self._is_stopping:
            self._caught_up_at = None
            log.warning("alpaca.not_caught_up", venue=self._name, error=repr(error))

    # Who does it

    def _require_here(self) -> None:
        if not self._is_started:
            raise VenueGone(f"{self._name} is not connected any more.")

    def _by_courier(self, call: Callable[..., T], *values: Any) -> Awaitable[T]:
        return self._loop.run_in_executor(self._couriers, partial(call, *values))

    async def _at_desk(self, call: Callable[..., T], *values: Any, **named: Any) -> T:
        return await self._loop.run_in_executor(self._desk, partial(self._kept, call, *values, **named))

    def _at_desk_now(self, call: Callable[..., T], *values: Any, **named: Any) -> T:
        """Do something at the desk and wait for it; for couriers."""
        return self._desk.submit(partial(self._kept, call, *values, **named)).result()

    def _kept(self, call: Callable[..., T], *values: Any, **named: Any) -> T:
        """Write through a restart of the database: what the venue told us is told once."""
        while True:
            try:
                return call(*values, **named)
            except (OperationalError, InterfaceError) as error:
                log.warning("alpaca.database_lost", venue=self._name, error=str(error))
                connection.close()
                if self._is_stopping:
                    raise
                time.sleep(RETRY_SECONDS)
