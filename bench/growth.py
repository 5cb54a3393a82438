"""Measure what an order costs against how much is stored: orders with their events, then accounts.

    .venv/bin/python -m bench.growth --server uvicorn --orders 1000 10000 100000 1000000
    .venv/bin/python -m bench.growth --huge          # 10^7 orders too: an hour and 50 GB

The tables are filled set-wise with copies of real orders. At each size orders come in at a steady rate, then nothing
happens for a while, then one account is read. Blocks touched, as PostgreSQL counts them, do not depend on what else the
machine does: a statement that touches ever more of them is named. Sizes cannot take turns, as tables only grow.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

from bench.filling import Filling
from bench.frame import MICRO, WARM_UP_SECONDS, Loaded, Program, load
from bench.load import connect, get
from bench.orders import resting_never, signed
from bench.portal import BenchPortal
from bench.report import Report
from bench.statements import Counted, counted, since

CONNECTIONS = 8
HUGE = 10_000_000
READS = {
    "newest orders": "/v2/orders?status=all&limit=50",
    "account": "/v2/account",
    "positions": "/v2/positions",
    "activities": "/v2/account/activities/FILL?page_size=50",
}
READ_TIMES = 20
# A tree that is a thousand times as large is a level or two deeper; what grows more than that is worth a look.
GROWN, GROWN_BLOCKS = 3.0, 10.0


@dataclass(frozen=True)
class Size:
    """What was seen at one size."""

    at: int
    along: str
    loads: list[Loaded]
    statements: dict[int, Counted]
    resting: dict[str, float]
    resting_statements: dict[int, Counted]
    reads: Mapping[str, list[float]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sizes, and how fast orders come in."""
    parser.add_argument("--orders", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--crowd", type=int, nargs="*", default=[1_000, 10_000, 100_000], help="accounts")
    parser.add_argument("--huge", action="store_true", help="10^7 orders as well")
    parser.add_argument("--rate", type=float, default=100.0)


async def measure(portal: BenchPortal, args: argparse.Namespace, report: Report) -> None:
    """Fill to each size in turn, orders before accounts, and measure there."""
    filling = Filling(portal)
    try:
        await filling.prepare()
        await _place(portal, args, report, min(WARM_UP_SECONDS, args.seconds))
        sizes: dict[str, list[Size]] = {"orders": [], "accounts": []}
        for size in [*args.orders, *([HUGE] if args.huge else [])]:
            await asyncio.to_thread(filling.fill_orders, size)
            sizes["orders"].append(await _look(portal, args, report, filling, "orders"))
        for size in args.crowd:
            await asyncio.to_thread(filling.fill_accounts, size)
            sizes["accounts"].append(await _look(portal, args, report, filling, "accounts"))
    finally:
        filling.close()
    for seen in sizes.values():
        _tell(report, seen)


async def _look(
    portal: BenchPortal,
    args: argparse.Namespace,
    report: Report,
    filling: Filling,
    along: str,
) -> Size:
    """Measure at the size that the tables have now."""
    await asyncio.to_thread(filling.settle)
    at = filling.orders() if along == "orders" else filling.accounts()
    print(f"{at:,} {along} ...", flush=True)
    url = portal.facts["database_url"]
    before = counted(url)
    loads = [await _place(portal, args, report, args.seconds) for _ in range(args.rounds)]
    placed = counted(url)
    cpu, begun = portal.cpu(), time.perf_counter()
    await asyncio.sleep(args.seconds)
    rested, passed = counted(url), time.perf_counter() - begun
    resting = {name: used * MICRO / passed for name, used in portal.cpu_since(cpu).items()}
    orders = sum(each.result.accepted for each in loads) or 1
    return Size(
        at,
        along,
        loads,
        since(before, placed, orders),
        resting,
        since(placed, rested, passed),
        await _read(portal),
    )


async def _place(portal: BenchPortal, args: argparse.Namespace, report: Report, seconds: float) -> Loaded:
    requests = resting_never(portal)
    return await load(portal, requests, report, connections=CONNECTIONS, seconds=seconds, rate=args.rate)


async def _read(portal: BenchPortal) -> dict[str, list[float]]:
    """Read one account again and again; return how many milliseconds each answer took."""
    client = await connect(portal.facts["url"])
    took: dict[str, list[float]] = {name: [] for name in READS}
    for name, path in [*READS.items()] * READ_TIMES:
        begun = time.perf_counter()
        status, body = await client.ask(get(path, signed(portal.keys[0])))
        took[name].append((time.perf_counter() - begun) * 1000)
        if status != 200:
            raise RuntimeError(f"{path} was answered {status}: {body.decode(errors='replace')[:400]}")
    client.close()
    return took


def _tell(report: Report, sizes: list[Size]) -> None:
    """Report every size, and name the statements that grew."""
    for seen in sizes:
        at, along = float(seen.at), f"{seen.along} stored"
        report.add_latencies("answer to an order", [each.milliseconds for each in seen.loads], at=at, along=along)
        report.add_cpu([each.cpu_per_order for each in seen.loads], unit="µs/order", at=at, along=along)
        report.add(
            "blocks", [sum(each.blocks for each in seen.statements.values())], unit="blocks/order", at=at, along=along
        )
        report.add_cpu([seen.resting], unit="µs/s at rest", at=at, along=along)
        for name, took in seen.reads.items():
            report.add(f"read {name} p50", [statistics.median(took)], unit="ms a read", at=at, along=along)
    if len(sizes) > 1:
        first, last = sizes[0], sizes[-1]
        _name_grown(report, first.statements, last.statements, f"an order, {first.at:,} to {last.at:,} {first.along}")
        resting = f"a second at rest, {first.at:,} to {last.at:,} {first.along}"
        _name_grown(report, first.resting_statements, last.resting_statements, resting)


def _name_grown(report: Report, first: dict[int, Counted], last: dict[int, Counted], what: str) -> None:
    for key, now in sorted(last.items(), key=lambda item: -item[1].blocks):
        was = first[key].blocks if key in first else 0.0
        if now.blocks > GROWN_BLOCKS and now.blocks > GROWN * was:
            report.note(
                f"Grew: {was:,.1f} to {now.blocks:,.1f} blocks {what}, {now.calls:.2f} calls,"
                f" {now.milliseconds:.3f} ms: {' '.join(now.query.split())[:240]}"
            )


PROGRAM = Program("growth", "How does the cost of an order grow with what is stored?", measure, add_arguments)

if __name__ == "__main__":
    PROGRAM.main()
