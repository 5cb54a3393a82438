"""Commit placements in groups: requests gather while a batch commits, and the next batch takes them all."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import structlog
from django.db import connection

from orders.domain.commands import PlaceOrder
from orders.domain.facts import Placement
from orders.services.authorising import KeyedOrders, keyed_orders_let_in
from orders.services.committing import Answer, Asked, Committer, LetInAll, Place, Placed, Request, unavailable
from orders.services.metrics import BATCH_ORDERS, BATCH_SECONDS, QUEUE_FULL, QUEUE_ORDERS
from orders.services.placing import orders_place
from trading_portal.kernel import clock
from trading_portal.kernel.errors import PortalError

CAPACITY = 5_000
BATCH = 512
ANSWER_SECONDS = 10.0
DRAIN_SECONDS = 20.0

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Waiting(Request):
    """One request in the queue, and where its answer goes: a future of an event loop, or a plain one."""

    size: int
    future: asyncio.Future[Placed] | Future[Placed]
    loop: asyncio.AbstractEventLoop | None

    def resolve(self, answer: Placed | PortalError) -> None:
        """Answer, unless whoever asked is gone."""
        if self.future.done():
            return
        if isinstance(answer, Placed):
            self.future.set_result(answer)
        else:
            self.future.set_exception(answer)


Answers = list[Answer[_Waiting]]


class PlacementQueue:
    """Place orders from any thread or event loop, through one thread that commits them in batches.

    Bounded: a full queue refuses at once. Nothing lingers: a batch is what gathered while the last one committed.
    A batch that fails is split until the culprit is alone. `stop` refuses what is new and drains what waits.
    """

    def __init__(
        self,
        *,
        place: Place = orders_place,
        let_in: LetInAll = keyed_orders_let_in,
        capacity: int = CAPACITY,
        batch: int = BATCH,
    ) -> None:
        self._committer: Committer[_Waiting] = Committer(place=place, let_in=let_in)
        self._capacity = capacity
        self._batch = batch
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._size = self._shown = 0
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="placements", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Return how many orders wait or are being placed."""
        return self._size

    async def place(self, command: PlaceOrder) -> Placement:
        """Place one order of a caller who was authorised already; raise Unavailable when nobody can decide now."""
        return (await self.place_all((command,))).placements[0]

    async def place_all(self, asked: Asked, *, all_or_none: bool = False) -> Placed:
        """Place what one request asks for, in one transaction; all of it or nothing, when that is asked for.

        Raise KeyNotAccepted, KeyForbidden or RateLimited for orders that came with an API key, and Unavailable when
        nobody can decide now: then the same orders may be sent again under the same ids.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Placed] = loop.create_future()
        self._put(asked, future, loop, all_or_none)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await future
        except TimeoutError:
            raise unavailable("PLACEMENT_LATE") from None

    def place_blocking(self, asked: Asked, *, all_or_none: bool = False) -> Placed:
        """Do what `place_all` does, from a thread that has no event loop."""
        future: Future[Placed] = Future()
        self._put(asked, future, None, all_or_none)
        try:
            return future.result(ANSWER_SECONDS)
        except TimeoutError:
            raise unavailable("PLACEMENT_LATE") from None

    def stop(self, seconds: float = DRAIN_SECONDS) -> bool:
        """Refuse what is new, place what waits, and tell whether that was done in time."""
        with self._lock:
            was_stopping, self._is_stopping = self._is_stopping, True
        if not was_stopping:
            self._queue.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _put(
        self,
        asked: Asked,
        future: asyncio.Future[Placed] | Future[Placed],
        loop: asyncio.AbstractEventLoop | None,
        is_basket: bool,
    ) -> None:
        size = max(len(asked.orders if isinstance(asked, KeyedOrders) else asked), 1)
        with self._lock:
            if self._is_stopping:
                raise unavailable("PLACEMENT_STOPPING")
            # A request larger than the whole queue is let in when nothing else waits, or it never could be.
            if self._size and self._size + size > self._capacity:
                QUEUE_FULL.inc(size)
                self._show()
                raise unavailable("PLACEMENT_QUEUE_FULL")
            self._size += size
            self._queue.put(_Waiting(asked, is_basket, size, future, loop))
            # Each batch shows how many wait; while one takes long, so does each batch's worth that gathers behind it.
            if self._size >= self._shown + self._batch:
                self._show()

    def _show(self) -> None:
        self._shown = self._size
        QUEUE_ORDERS.set(self._size)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            batch, is_last = self._gather()
            if batch:
                self._place_batch(batch)
        connection.close()

    def _place_batch(self, batch: list[_Waiting]) -> None:
        begun, size = clock.monotonic(), sum(waiting.size for waiting in batch)
        with self._lock:
            self._show()
        answers = self._committer.placed(batch)
        # First the room, then the answers: whoever has one may send the next at once.
        with self._lock:
            self._size -= size
            self._show()
        self._answer(answers)
        BATCH_ORDERS.observe(size)
        BATCH_SECONDS.observe(clock.monotonic() - begun)

    def _gather(self) -> tuple[list[_Waiting], bool]:
        """Return what waits, at least one request; the mark of `stop` stands behind everything that was let in."""
        batch: list[_Waiting] = []
        size = 0
        waiting = self._queue.get()
        while waiting is not None:
            batch.append(waiting)
            size += waiting.size
            if size >= self._batch:
                return batch, False
            try:
                waiting = self._queue.get_nowait()
            except Empty:
                return batch, False
        return batch, True

    def _answer(self, answers: Answers) -> None:
        """Hand out the answers, each event loop woken once."""
        loops: dict[asyncio.AbstractEventLoop, Answers] = {}
        for waiting, answer in answers:
            if waiting.loop is None:
                waiting.resolve(answer)
            else:
                loops.setdefault(waiting.loop, []).append((waiting, answer))
        for loop, theirs in loops.items():
            try:
                loop.call_soon_threadsafe(_resolve_all, theirs)
            except RuntimeError:
                log.info("placements.nobody_waits", orders=len(theirs))  # the loop is closed; what is stored is stored


def _resolve_all(answers: Answers) -> None:
    for waiting, answer in answers:
        waiting.resolve(answer)


_queues: dict[int, PlacementQueue] = {}
_queues_lock = threading.Lock()


def placement_queue() -> PlacementQueue:
    """Return this process's queue, made when it is first asked for."""
    queue = _queues.get(os.getpid())
    if queue is None:
        with _queues_lock:
            queue = _queues.get(os.getpid())
            if queue is None:
                queue = _queues[os.getpid()] = PlacementQueue()
                atexit.register(queue.stop)
    return queue
