"""Measure orders all the way, accepted, sent, filled, booked and pushed to who watches, at rates that never let up.

    .venv/bin/python -m bench.sustained --server uvicorn --rates 250 500 1000 2000 --seconds 20

Market orders come in bulk requests, each at its time, whatever became of those before, to a paper venue that fills at
once, while programs follow some of the accounts. The backlog is what was due and is not yet booked. Times are those
that the database holds, all by this machine's clock: an order's `placed_at` is when its request came in, a fill's
`recorded_at` when it was booked.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import statistics
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import psycopg

from bench import floor
from bench.frame import Loaded, Program, Turn, load, take_turns
from bench.orders import Key, market_buys
from bench.portal import BenchPortal
from bench.report import Report
from bench.watching import Watched, open_stream

# Nothing is waited for on purpose: no delay on the wire, no rest in the book, and always enough to buy.
ENVIRONMENT = {"PORTAL_PAPER_LATENCY_MS": "0", "PORTAL_PAPER_RESTING_MS": "0", "PORTAL_PAPER_DEPTH_PERCENT": "1000"}
AIM, FLOOR_CLIENTS = 5000.0, 8
# Up to this rate a fill is to be booked in so many milliseconds (p99), beyond it in so many.
AIMS_P99 = (250.0, 10.0, 50.0)
# A backlog grows that is longer, from one third of a turn to the next, by this share of what is offered in a third.
GROWS = 0.03
LOOKS = 100
WORKED_OFF_SECONDS, PUSHED_SECONDS, POLL_SECONDS = 180.0, 10.0, 0.1
PUSHES = ("fill", "partial_fill")
ALONG = "orders/s offered"

# Asked while the portal works: by the small index of open orders, and for one row.
IS_OPEN = """
SELECT EXISTS (SELECT 1 FROM orders_order WHERE NOT is_closed AND venue = %s AND placed_at >= to_timestamp(%s))
"""
PUSHES_DUE = """
SELECT count(*) FROM accounts_apikey a JOIN orders_order o ON o.account_id = a.account_id
JOIN orders_execution e ON e.order_id = o.id
WHERE a.key_id = ANY(%s) AND o.venue = %s AND o.placed_at >= to_timestamp(%s)
"""
# Asked afterwards: it reads every order of a turn.
WENT = """
SELECT extract(epoch FROM o.placed_at)::float8, extract(epoch FROM max(e.recorded_at))::float8
FROM orders_order o LEFT JOIN orders_execution e ON e.order_id = o.id AND o.base = 'filled'
WHERE o.venue = %s AND o.placed_at >= to_timestamp(%s) AND NOT o.is_refused GROUP BY o.id
"""


class Way(NamedTuple):
    """One order: when it was placed, and when the last of its fills was booked."""

    placed_at: float
    booked_at: float | None


@dataclass(frozen=True)
class Offered:
    """What a turn offers: orders a second, so many a request, for so many seconds."""

    rate: float
    batch: int
    seconds: float

    def due(self, at: float) -> int:
        """Return how many orders were due before so many seconds had passed."""
        return math.ceil(at * self.rate / self.batch) * self.batch


@dataclass(frozen=True)
class Seen:
    """What one turn saw: seconds from its begin at which orders were placed and booked, and latencies in ms."""

    offered: Offered
    loaded: Loaded
    placed: list[float]
    booked: list[float]
    took: dict[str, list[float]]
    pushed_per_second: float

    @property
    def booked_per_second(self) -> float:
        """Return fills booked a second, until all were."""
        return len(self.booked) / self.booked[-1] if self.booked else 0.0

    @property
    def worked_off_after(self) -> float:
        """Return how many seconds after the last order was due all were booked."""
        return max(0.0, self.booked[-1] - self.offered.seconds) if self.booked else 0.0

    @property
    def left(self) -> tuple[float, float]:
        """Return what was due at the end and not placed, and what was placed and not booked."""
        placed, booked = (bisect_right(times, self.offered.seconds) for times in (self.placed, self.booked))
        return max(0.0, self.offered.due(self.offered.seconds) - placed), placed - booked

    @property
    def growth(self) -> float:
        """Return by what share of what was offered meanwhile the backlog's last third is longer than the one before."""
        third = self.offered.seconds / 3
        before, after = (statistics.fmean(self._backlogs(third * number, third)) for number in (1, 2))
        return (after - before) / (self.offered.rate * third)

    def _backlogs(self, begin: float, seconds: float) -> list[float]:
        looks = [begin + seconds * number / LOOKS for number in range(LOOKS)]
        return [self.offered.due(at) - bisect_right(self.booked, at) for at in looks]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is offered, and how many accounts are watched."""
    parser.add_argument("--rates", type=float, nargs="+", default=[250, 500, 1000, 2000], help="orders a second")
    parser.add_argument("--batch", type=int, default=20, help="orders a request")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--watchers", type=int, default=4, help="accounts that somebody watches")
    parser.set_defaults(seconds=20.0)


class Follower:
    """Offers one rate after another, and follows what becomes of it."""

    def __init__(
        self, portal: BenchPortal, args: argparse.Namespace, report: Report, connection: psycopg.Connection[Any]
    ) -> None:
        self._portal, self._args, self._report, self._connection = portal, args, report, connection
        self._watched: list[Key] = portal.keys[: args.watchers]

    async def follow(self, turn: Turn, rate: float) -> Seen:
        """Offer orders at a rate; return what was seen until all are booked and pushed."""
        offered = Offered(rate, self._args.batch, turn.seconds)
        async with contextlib.AsyncExitStack() as opened:
            streams = [await opened.enter_async_context(open_stream(self._portal, key)) for key in self._watched]
            since = time.time()
            loaded = await load(
                self._portal,
                market_buys(self._portal, self._portal.keys, batch=offered.batch),
                self._report,
                connections=self._args.connections,
                seconds=turn.seconds,
                rate=rate / offered.batch,
                quiet=partial(self._worked_off, since, streams),
            )
        ways = [Way(*row) for row in self._connection.execute(WENT, [self._portal.venue, since])]
        seen = _seen(offered, loaded, ways, streams)
        if turn.number:
            missing = {
                "refused": len(loaded.result.latencies) * offered.batch - loaded.result.accepted,
                "not filled": len(ways) - len(seen.booked),
                "filled, and not pushed": self._pushes_due(since) - len(seen.took["push"]),
            }
            for what, count in missing.items():
                if count:
                    self._report.note(f"{what.capitalize()} at {rate:g}/s: {count} orders.")
        return seen

    async def _worked_off(self, since: float, streams: Sequence[Watched]) -> None:
        """Wait until every order has ended, and what is watched was pushed."""
        await _until(lambda: not self._one(IS_OPEN, [self._portal.venue, since]), WORKED_OFF_SECONDS)
        due = self._pushes_due(since)
        await _until(lambda: len(_pushes(streams)) >= due, PUSHED_SECONDS)

    def _pushes_due(self, since: float) -> int:
        return int(self._one(PUSHES_DUE, [[key_id for key_id, _ in self._watched], self._portal.venue, since]))

    def _one(self, asked: str, given: Sequence[Any]) -> Any:
        row = self._connection.execute(asked, given).fetchone()
        assert row
        return row[0]


async def _until(holds: Callable[[], bool], seconds: float) -> None:
    """Wait until a condition holds, or for so many seconds."""
    deadline = time.perf_counter() + seconds
    while not holds() and time.perf_counter() < deadline:
        await asyncio.sleep(POLL_SECONDS)


def _pushes(streams: Sequence[Watched]) -> list[float]:
    return [age for stream in streams for kind in PUSHES for age in stream.ages[kind]]


def _seen(offered: Offered, loaded: Loaded, ways: Sequence[Way], streams: Sequence[Watched]) -> Seen:
    begun, pushes = loaded.result.begun_at, _pushes(streams)
    pushing = max((stream.last_at for stream in streams), default=0.0) - begun
    filled = [(way.placed_at, way.booked_at) for way in ways if way.booked_at is not None]
    return Seen(
        offered,
        loaded,
        placed=sorted(way.placed_at - begun for way in ways),
        booked=sorted(booked_at - begun for _, booked_at in filled),
        took={
            "answer": loaded.milliseconds,
            "booked": [(booked_at - placed_at) * 1000 for placed_at, booked_at in filled],
            "push": pushes,
        },
        pushed_per_second=len(pushes) / pushing if pushes else 0.0,
    )


async def measure(portal: BenchPortal, args: argparse.Namespace, report: Report) -> None:
    """Let each rate and the floor take turns, while some accounts are watched."""
    await floor.prepare(portal)

    async def write(turn: Turn) -> floor.Floor:
        return await floor.write(portal, batch=1, clients=FLOOR_CLIENTS, seconds=turn.seconds)

    with psycopg.connect(portal.facts["database_url"], autocommit=True) as connection:
        follower = Follower(portal, args, report, connection)
        rates: dict[str, Any] = {f"{rate:g}/s": partial(follower.follow, rate=rate) for rate in args.rates}
        found = await take_turns(args, {**rates, "pgbench": write})
    floors = [each.per_second for each in found.pop("pgbench")]
    seen: list[list[Seen]] = list(found.values())
    sustained = [
        max((each.offered.rate for each in turns if each.growth <= GROWS), default=0.0)
        for turns in zip(*seen, strict=True)
    ]
    report.add("sustained", sustained, unit="orders/s", floor=floors, aim=AIM)
    for rounds in seen:
        _tell(report, rounds, floors)
    report.note(
        f"Sustained is the highest rate at which what was due and not booked grew by no more than {GROWS:.0%} of what"
        " was offered, from the second third of a turn to the last. What was due and not placed by the end is not sent"
        " afterwards."
    )
    report.note(
        "The venue waits for nothing on purpose: " + ", ".join(f"{k}={v}" for k, v in ENVIRONMENT.items()) + "."
    )


def _tell(report: Report, rounds: Sequence[Seen], floors: Sequence[float]) -> None:
    """Report one rate."""
    at: dict[str, Any] = {"at": rounds[0].offered.rate, "along": ALONG}
    report.add("accepted", [each.loaded.result.per_second for each in rounds], unit="orders/s", floor=floors, **at)
    report.add("filled and booked", [each.booked_per_second for each in rounds], unit="orders/s", floor=floors, **at)
    report.add("pushed to watchers", [each.pushed_per_second for each in rounds], unit="fills/s", **at)
    slow, aim_slow, aim = AIMS_P99
    report.add_latencies("answer", [each.took["answer"] for each in rounds], **at)
    aim_p99 = aim_slow if rounds[0].offered.rate <= slow else aim
    report.add_latencies("accept to booked", [each.took["booked"] for each in rounds], aim_p99=aim_p99, **at)
    report.add_latencies("booked to pushed", [each.took["push"] for each in rounds], **at)
    for number, what in enumerate(("due, not placed", "placed, not booked")):
        report.add(f"left at the end: {what}", [each.left[number] for each in rounds], unit="orders", **at)
    report.add("worked off after", [each.worked_off_after for each in rounds], unit="s", **at)
    report.add("backlog grew", [max(0.0, each.growth * 100) for each in rounds], unit="% of offered", **at)
    report.add_cpu([each.loaded.cpu_per_order for each in rounds], unit="µs/order", **at)


PROGRAM = Program(
    "sustained",
    "How many orders a second go all the way, accepted, sent, filled, booked and pushed to who watches, sustained,"
    " at a venue that fills at once?",
    measure,
    add_arguments,
    ENVIRONMENT,
)

if __name__ == "__main__":
    PROGRAM.main()
