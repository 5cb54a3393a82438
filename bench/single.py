"""Measure single orders over HTTP beside pgbench, which commits the same rows an order a transaction.

.venv/bin/python -m bench.single --server uvicorn --connections 64 256
"""

from __future__ import annotations

import argparse
from functools import partial

from bench import floor
from bench.frame import Loaded, Program, Turn, add_accepted, load, take_turns
from bench.orders import resting_never
from bench.portal import BenchPortal
from bench.report import Report

AIMS = {"uvicorn": 8000.0, "daphne": 3000.0}
FLOOR_CLIENTS = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how many connections send at once, one variant each."""
    parser.add_argument("--connections", type=int, nargs="+", default=[64, 256])


async def measure(portal: BenchPortal, args: argparse.Namespace, report: Report) -> None:
    """Let each number of connections and the floor take turns."""
    await floor.prepare(portal)

    async def accept(turn: Turn, connections: int) -> Loaded:
        requests = resting_never(portal)
        return await load(portal, requests, report, connections=connections, seconds=turn.seconds)

    async def write(turn: Turn) -> floor.Floor:
        return await floor.write(portal, batch=1, clients=FLOOR_CLIENTS, seconds=turn.seconds)

    accepting = {f"{count} connections": partial(accept, connections=count) for count in args.connections}
    seen = await take_turns(args, {**accepting, "pgbench": write})
    floors = [each.per_second for each in seen.pop("pgbench")]
    add_accepted(report, seen, floors=floors, aim=AIMS[args.server], what="one", aim_p99=60)


PROGRAM = Program(
    "single",
    "How many orders a second are accepted, durable and risk-checked, each in an HTTP request of its own?",
    measure,
    add_arguments,
)

if __name__ == "__main__":
    PROGRAM.main()
