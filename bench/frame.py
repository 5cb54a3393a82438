"""The frame that every program stands in: a portal, a warm-up, rounds in which all variants take turns, a report."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import uvloop

from bench.load import LoadResult, run_load
from bench.portal import BenchPortal, bench_portal
from bench.report import Report

WARM_UP_SECONDS = 2.0
MICRO = 1_000_000


class Turn(NamedTuple):
    """One turn of a variant: its number (no two are alike, the warm-up's is 0) and how long it may take."""

    number: int
    seconds: float


Measure = Callable[[BenchPortal, argparse.Namespace, Report], Awaitable[None]]


@dataclass(frozen=True)
class Program:
    """One question and how it is measured."""

    name: str
    question: str
    measure: Measure
    add_arguments: Callable[[argparse.ArgumentParser], None] = lambda _parser: None
    environment: Mapping[str, str] = field(default_factory=dict)

    def main(self) -> None:
        """Measure on a portal of one's own, as the command line says."""
        args = self.parser().parse_args()
        with bench_portal(accounts=args.accounts, server=args.server, **self.environment) as portal:
            uvloop.run(self.answer(portal, args)).finish()

    async def answer(self, portal: BenchPortal, args: argparse.Namespace) -> Report:
        """Measure on a portal that runs; return the report."""
        settings = {name: value for name, value in vars(args).items() if name != "server"}
        report = Report(self.name, self.question, server=args.server, settings=settings)
        await self.measure(portal, args, report)
        return report

    def parser(self) -> argparse.ArgumentParser:
        """Return the words that this program takes: those that all take, and its own."""
        parser = argparse.ArgumentParser(prog=f"bench.{self.name}", description=self.question)
        server = os.environ.get("PORTAL_ASGI") or "daphne"
        parser.add_argument("--server", choices=["daphne", "uvicorn"], default=server)
        parser.add_argument("--rounds", type=int, default=3)
        parser.add_argument("--seconds", type=float, default=8.0, help="how long a variant's turn takes")
        parser.add_argument("--accounts", type=int, default=64)
        self.add_arguments(parser)
        return parser


async def take_turns(
    args: argparse.Namespace, variants: Mapping[str, Callable[[Turn], Awaitable[Any]]]
) -> dict[str, list[Any]]:
    """Warm each variant up, then run all of them in each round, every other round backwards; return what they gave."""
    numbers = iter(range(1, 1_000_000))
    for variant in variants.values():
        await variant(Turn(0, min(WARM_UP_SECONDS, args.seconds)))
    found: dict[str, list[Any]] = {name: [] for name in variants}
    for number in range(args.rounds):
        print(f"round {number + 1} of {args.rounds} ...", flush=True)
        for name in list(variants)[:: -1 if number % 2 else 1]:
            found[name].append(await variants[name](Turn(next(numbers), args.seconds)))
    return found


@dataclass(frozen=True)
class Loaded:
    """What one turn of load saw, what it cost until the portal was quiet again, and how long that took in all."""

    result: LoadResult
    cpu: dict[str, float]
    seconds: float

    @property
    def milliseconds(self) -> list[float]:
        """Return how long each answer took."""
        return [latency * 1000 for latency in self.result.latencies]

    @property
    def worked_off_per_second(self) -> float:
        """Return orders a second until each was accepted, sent, answered and booked."""
        return self.result.accepted / self.seconds

    @property
    def cpu_per_order(self) -> dict[str, float]:
        """Return CPU microseconds an accepted order, by process."""
        count = self.result.accepted or 1
        return {name: seconds * MICRO / count for name, seconds in self.cpu.items()}


async def load(
    portal: BenchPortal,
    requests: Iterator[bytes],
    report: Report,
    *,
    connections: int,
    seconds: float,
    rate: float | None = None,
    quiet: Callable[[], Awaitable[None]] | None = None,
) -> Loaded:
    """Send load, wait until the venues, or `quiet`, have worked it off; note what was refused: that is no speed."""
    before = portal.cpu()
    result = await run_load(portal.facts["url"], requests, connections=connections, seconds=seconds, rate=rate)
    ended = time.perf_counter()
    await (quiet or portal.quiet)()
    # Opening hundreds of connections takes seconds, and is no work on orders.
    took, used = result.seconds + time.perf_counter() - ended, portal.cpu_since(before)
    if result.first_refusal:
        report.note(f"Refused: {result.statuses} {result.first_refusal}")
    return Loaded(result, used, took)


def add_accepted(
    report: Report,
    seen: Mapping[str, Sequence[Loaded]],
    *,
    floors: Sequence[float],
    aim: float,
    what: str,
    aim_p99: float | None = None,
) -> None:
    """Add what each variant's turns accepted and worked off, how long answers to `what` took, and what it cost."""
    for name, rounds in seen.items():
        rates = [each.result.per_second for each in rounds]
        report.add(f"accepted, {name}", rates, unit="orders/s", floor=floors, aim=aim)
        ended = [each.worked_off_per_second for each in rounds]
        report.add(f"worked off, {name}", ended, unit="orders/s", floor=floors)
        report.add_latencies(f"answer to {what}, {name}", [each.milliseconds for each in rounds], aim_p99=aim_p99)
        report.add_cpu([each.cpu_per_order for each in rounds], unit="µs/order", of=name)
