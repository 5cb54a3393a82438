"""Measure one client that sends one order at a time, beside one pgbench client that commits the same rows.

.venv/bin/python -m bench.alone --server uvicorn
"""

from __future__ import annotations

import argparse

from bench import floor
from bench.frame import Loaded, Program, Turn, load, take_turns
from bench.orders import resting_never
from bench.portal import BenchPortal
from bench.report import Report


async def measure(portal: BenchPortal, args: argparse.Namespace, report: Report) -> None:
    """Let the client and the floor take turns."""
    await floor.prepare(portal)

    async def accept(turn: Turn) -> Loaded:
        requests = resting_never(portal)
        return await load(portal, requests, report, connections=1, seconds=turn.seconds)

    async def write(turn: Turn) -> floor.Floor:
        return await floor.write(portal, batch=1, clients=1, seconds=turn.seconds)

    seen = await take_turns(args, {"client": accept, "pgbench": write})
    report.add_latencies(
        "answer",
        [each.milliseconds for each in seen["client"]],
        floor=[each.milliseconds for each in seen["pgbench"]],
        aim_p50=2,
    )
    report.add_cpu([each.cpu_per_order for each in seen["client"]], unit="µs/order")


PROGRAM = Program("alone", "How long does a client wait that sends one order at a time?", measure)

if __name__ == "__main__":
    PROGRAM.main()
