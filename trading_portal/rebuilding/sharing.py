"""Share the rebuilding of many accounts out over processes, all of them looking at one snapshot of the database."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import django
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction

from audit.domain.types import LogExtent
from trading_portal.kernel.collector import collect_rarely

SHARE_EVENTS = 20_000
"""Events that one share of the work has, where accounts are no larger: its results are held until they are told."""
PAYS_FROM = 100_000
"""Events from which starting processes costs less than it gains."""
R = TypeVar("R")
Share = Sequence[LogExtent]
Work = Callable[[Share], R]
Progress = Callable[[int, int], None]
"""Told how many events of how many are done."""


def unwatched(done: int, total: int) -> None:
    """Tell nobody how far it has come."""


def shares_of(extents: Sequence[LogExtent], *, are_neighbours: bool = True) -> list[Share]:
    """Return accounts in shares of about the same number of events; those that are no neighbours stand alone."""
    shares: list[list[LogExtent]] = []
    size = SHARE_EVENTS
    for extent in extents:
        if size >= SHARE_EVENTS or not are_neighbours:
            shares.append([])
            size = 0
        shares[-1].append(extent)
        size += extent.until
    return [share for share in shares if share]


def shared_out(shares: Sequence[Share], work: Work[R], *, processes: int, progress: Progress) -> Iterator[R]:
    """Yield what the work makes of every share, in their order; call it in a `snapshot`.

    With several processes the work must be a function of a module, and what it returns must pickle.
    """
    total = sum(extent.until for share in shares for extent in share)
    done = 0
    results = map(work, shares) if processes == 1 or total < PAYS_FROM else _by_others(shares, work, processes)
    for share, result in zip(shares, results, strict=True):
        done += sum(extent.until for extent in share)
        progress(done, total)
        yield result


@contextmanager
def snapshot() -> Iterator[None]:
    """Look at one instant of the database, and write nothing; inside a transaction, at what that one sees."""
    has_begun = connection.in_atomic_block
    with transaction.atomic():
        if not has_begun:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def _by_others(shares: Sequence[Share], work: Work[R], processes: int) -> Iterator[R]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_export_snapshot()")
        exported = cursor.fetchone()[0]
    # A forked process has all of Django at once; starting one anew costs two seconds, but is what macOS can do.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_begin) as pool:
        waiting: list[Future[R]] = []
        left = iter(shares)
        # A few shares ahead, so that nobody waits and no result waits long.
        for share in left:
            waiting.append(pool.submit(_on_snapshot, exported, work, share))
            if len(waiting) > 2 * processes:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def _begin() -> None:
    """Begin as a process of its own: with its own connection, for the one that it was forked with is its parent's."""
    del connections[DEFAULT_DB_ALIAS]
    django.setup()
    collect_rarely()


def _on_snapshot(exported: str, work: Work[R], share: Share) -> R:
    with snapshot():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION SNAPSHOT %s", [exported])
        return work(share)
