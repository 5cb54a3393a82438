"""Let requests gather while those before them are answered, and answer them together on one thread.

What a look at the database or at Redis costs whatever it looks for is then paid once for all of them, and so is the way
to a thread and back. Nothing lingers: whoever comes when nothing is going on waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from django.db import InterfaceError, OperationalError, connection

from trading_portal.kernel.errors import Unavailable, reason

BATCH = 256
CAPACITY = 2_000
ANSWER_SECONDS = 10.0

A = TypeVar("A")
R = TypeVar("R")


def too_many(code: str) -> Unavailable:
    """Return the answer to who comes when all room is taken; nothing of what they ask has happened."""
    return Unavailable(reason(code), "Too many requests are waiting. Send the same request again shortly.")


def reconnecting(work: Callable[[A], R], given: A) -> R:
    """Return what a read returns, on the thread's own connection; one that turns out broken is replaced once."""
    try:
        return work(given)
    except (OperationalError, InterfaceError):
        connection.close()
        return work(given)


class _Line(Generic[A, R]):
    """The requests of one event loop, and whether some of them are being answered."""

    def __init__(self) -> None:
        self.waiting: list[tuple[A, asyncio.Future[R]]] = []
        self.is_moving = False


class Gathering(Generic[A, R]):
    """Answer batches of requests, one batch at a time; `work` returns an answer for each, in their order.

    `full` and `late` are the codes for who finds no room, and for who waited too long.
    """

    def __init__(
        self,
        work: Callable[[Sequence[A]], Sequence[R]],
        *,
        name: str,
        capacity: int = CAPACITY,
        full: str = "READS_FULL",
        late: str = "READ_LATE",
    ) -> None:
        self._work = work
        self._capacity = capacity
        self._full = full
        self._late = late
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._lines: WeakKeyDictionary[asyncio.AbstractEventLoop, _Line[A, R]] = WeakKeyDictionary()

    async def ask(self, asked: A) -> R:
        """Return the answer to one request; raise Unavailable when too many wait, or none comes in time."""
        loop = asyncio.get_running_loop()
        line = self._lines.setdefault(loop, _Line())
        if len(line.waiting) >= self._capacity:
            raise too_many(self._full)
        future: asyncio.Future[R] = loop.create_future()
        line.waiting.append((asked, future))
        if not line.is_moving:
            self._move(loop, line)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await future
        except TimeoutError:
            raise Unavailable(reason(self._late), "The portal cannot answer now. Send the request again.") from None

    def _move(self, loop: asyncio.AbstractEventLoop, line: _Line[A, R]) -> None:
        batch, line.waiting = line.waiting[:BATCH], line.waiting[BATCH:]
        line.is_moving = True
        done = loop.run_in_executor(self._thread, reconnecting, self._work, [asked for asked, _ in batch])
        done.add_done_callback(lambda answered: self._hand_out(loop, line, batch, answered))

    def _hand_out(
        self,
        loop: asyncio.AbstractEventLoop,
        line: _Line[A, R],
        batch: Sequence[tuple[A, asyncio.Future[R]]],
        answered: asyncio.Future[Sequence[R]],
    ) -> None:
        """Answer a batch on its loop, and let the next one go first: it need not wait for what is done with these."""
        line.is_moving = False
        if line.waiting:
            self._move(loop, line)
        error = answered.exception()
        for index, (_, future) in enumerate(batch):
            if future.done():
                continue  # whoever asked is gone
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(answered.result()[index])
