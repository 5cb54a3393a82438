"""Measure the way of an order to its fill and to an open page, beside a bare commit that another process is told of.

    .venv/bin/python -m bench.live --server uvicorn --rates 10 100 250

Ages are those on arrival: from the event's own `recorded_at` to the frame's receipt, by the clock of this machine.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import psycopg

from bench import floor
from bench.frame import Loaded, Program, Turn, load, take_turns
from bench.orders import market_buys
from bench.portal import BenchPortal
from bench.report import Report
from bench.watching import open_page

FILL_SQL = """
SELECT extract(epoch FROM filled.recorded_at - accepted.recorded_at) * 1000
FROM audit_event accepted JOIN audit_event filled ON filled.stream = accepted.stream
WHERE accepted.type = 'order.accepted' AND filled.type = 'order.executed' AND accepted.recorded_at >= %s
"""
CONNECTIONS = 16
AIMS = {"accept to browser": (20.0, 100.0), "fill to browser": (20.0, 100.0), "accept to fill": (None, 10.0)}


@dataclass(frozen=True)
class Seen:
    """What one turn saw, in milliseconds."""

    loaded: Loaded
    ages: dict[str, list[float]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how many orders a second are placed, one variant each."""
    parser.add_argument("--rates", type=float, nargs="+", default=[10, 100, 250])


def fills_since(connection: psycopg.Connection[Any], begun_at: datetime) -> list[float]:
    """Return how many milliseconds each order took from accepted to executed, by the log's own times."""
    return [float(row[0]) for row in connection.execute(FILL_SQL, [begun_at])]


async def measure(portal: BenchPortal, args: argparse.Namespace, report: Report) -> None:
    """Let each rate, and the floor at the same rate, take turns, with one page open."""
    await floor.prepare(portal)
    with psycopg.connect(portal.facts["database_url"], autocommit=True) as connection:
        found = connection.execute(
            "SELECT account_id FROM accounts_apikey WHERE key_id = %s", [portal.trader[0]]
        ).fetchone()
        assert found
        account_id = str(found[0])

        async def follow(turn: Turn, rate: float) -> Seen:
            begun = connection.execute("SELECT now()").fetchone()
            assert begun
            async with open_page(portal, account_id) as watched:
                requests = market_buys(portal, [portal.trader])
                loaded = await load(portal, requests, report, connections=CONNECTIONS, seconds=turn.seconds, rate=rate)
            fills = fills_since(connection, begun[0])
            return Seen(
                loaded,
                {
                    "answer": loaded.milliseconds,
                    "accept to fill": fills,
                    "accept to browser": watched.ages["order.accepted"],
                    "fill to browser": watched.ages["order.executed"],
                },
            )

        async def tell(turn: Turn, rate: float) -> list[float]:
            return await floor.tell(portal, rate=rate, seconds=turn.seconds)

        variants: dict[str, Any] = {}
        for rate in args.rates:
            variants[f"{rate:g}/s"] = partial(follow, rate=rate)
            variants[f"{rate:g}/s, told"] = partial(tell, rate=rate)
        seen = await take_turns(args, variants)
    _report(report, args.rates, seen)


def _report(report: Report, rates: list[float], seen: dict[str, list[Any]]) -> None:
    for rate in rates:
        rounds: list[Seen] = seen[f"{rate:g}/s"]
        for what in ("answer", "accept to fill", "accept to browser", "fill to browser"):
            aim_p50, aim_p99 = AIMS.get(what, (None, None))
            report.add_latencies(
                f"{what}, {rate:g}/s",
                [each.ages[what] for each in rounds],
                floor=seen[f"{rate:g}/s, told"],
                aim_p50=aim_p50,
                aim_p99=aim_p99,
            )
        report.add_cpu([each.loaded.cpu_per_order for each in rounds], unit="µs/order", of=f"{rate:g}/s")


PROGRAM = Program(
    "live", "How long does an order take to its fill and to an open page, at a steady rate?", measure, add_arguments
)

if __name__ == "__main__":
    PROGRAM.main()
