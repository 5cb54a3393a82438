"""Measure risk's decision inside the placing transaction, beside the smallest statement in the same transaction.

    .venv/bin/python -m bench.decision --batches 1 8 100

It runs in a process of its own on a portal at rest, through `orders_place` itself: the decision is the time from the
lock that is held to the answer that is to be stored, what it reads included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from bench.frame import Program
from bench.orders import price_below_market
from bench.portal import BenchPortal
from bench.report import Report

PROGRAM_INSIDE = "bench/inside/decide.py"
AIM_MICROSECONDS = 1000.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how many orders a transaction places, one variant each."""
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 100])


async def measure(portal: BenchPortal, args: argparse.Namespace, report: Report) -> None:
    """Have the rounds run inside Django; the sizes take turns there."""
    asked = {
        "symbol": portal.stock,
        "cents": price_below_market(portal),
        "keys": [key_id for key_id, _ in portal.keys],
        "rounds": args.rounds,
        "seconds": args.seconds,
        "batches": args.batches,
    }
    rounds: list[dict[str, Any]] = json.loads(await asyncio.to_thread(portal.manage, PROGRAM_INSIDE, json.dumps(asked)))
    await portal.quiet()
    tell(report, args.batches, rounds)


def tell(report: Report, batches: list[int], rounds: list[dict[str, Any]]) -> None:
    """Report what each size took, an order."""
    for batch in batches:
        seen = [each[str(batch)] for each in rounds]
        for what, aim in (("decision", AIM_MICROSECONDS), ("transaction", None)):
            report.add_latencies(
                f"{what}, {batch} a transaction",
                [each[what] for each in seen],
                unit="µs/order",
                floor=[each["statement"] for each in seen] if batch == 1 else (),
                aim_p99=aim,
            )


PROGRAM = Program(
    "decision", "How long does risk take to decide an order, inside the placing transaction?", measure, add_arguments
)

if __name__ == "__main__":
    PROGRAM.main()
