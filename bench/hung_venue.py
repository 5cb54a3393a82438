"""Measure what a hung venue costs the others: orders, prices and pages beside it, with and without it.

    .venv/bin/python -m bench.hung_venue --seconds 30

Two paper venues share one worker process. Of the second one's calls, four of five never return. The floor is the same
turn without it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import psycopg
import websockets

from bench.browser import sign_in
from bench.frame import Program, Turn, take_turns
from bench.live import fills_since
from bench.load import run_load
from bench.orders import market_buys
from bench.portal import SICK, VENUE, BenchPortal
from bench.report import Report

ENVIRONMENT = {"PORTAL_PAPER_VENUES": f"{VENUE},{SICK}", "PORTAL_PAPER_PAPER2_HANG_PERCENT": "80"}
CONNECTIONS = 8
MEASURES = ("order answered", "accept to fill", "trading page", "pause between prices")
BECAME = """
SELECT base, is_unknown, coalesce(reasons #>> '{0,code}', ''), count(*) FROM orders_order
WHERE venue = %s AND placed_at >= %s GROUP BY 1, 2, 3 ORDER BY 4 DESC
"""


@dataclass(frozen=True)
class Seen:
    """What one turn saw, in milliseconds, and what became of the sick venue's orders."""

    took: dict[str, list[float]]
    became: list[tuple[str, bool, str, int]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how many orders a second each venue gets."""
    parser.add_argument("--rate", type=float, default=20.0)


async def pages(facts: dict[str, Any], cookie: str, until: float) -> list[float]:
    """Open the trading page again and again; return how long each took, in milliseconds."""
    took = []
    async with httpx.AsyncClient(base_url=facts["url"], headers={"Cookie": cookie}) as client:
        while time.perf_counter() < until:
            begun = time.perf_counter()
            answer = await client.get("/")
            assert answer.status_code == 200, answer.status_code
            took.append((time.perf_counter() - begun) * 1000)
            await asyncio.sleep(0.2)
    return took


async def prices(portal: BenchPortal, cookie: str, until: float) -> list[float]:
    """Follow prices as a page does; return the pauses between frames, in milliseconds."""
    facts = portal.facts
    address = facts["url"].replace("http", "ws") + "/ws"
    pauses: list[float] = []
    last: float | None = None
    headers = {"Cookie": cookie, "Origin": facts["url"]}
    async with websockets.connect(address, additional_headers=headers, max_size=None) as socket:
        symbols = [portal.stock, portal.coin]
        await socket.send(json.dumps({"op": "subscribe", "id": 1, "ch": "quotes", "syms": symbols, "rate": 4}))
        while (left := until - time.perf_counter()) > 0:
            try:
                frame = json.loads(await asyncio.wait_for(socket.recv(), left))
            except TimeoutError:
                break
            if frame.get("ch") != "quotes" or frame.get("op"):
                continue
            now = time.perf_counter()
            if last is not None:
                pauses.append((now - last) * 1000)
            last = now
    return pauses


async def measure(portal: BenchPortal, args: argparse.Namespace, report: Report) -> None:
    """Let the well venue alone, and beside the sick one, take turns."""
    cookie = await asyncio.to_thread(sign_in, portal.facts["url"], portal.facts["users"]["trader"])
    both = {
        name: partial(_turn, portal, cookie, args.rate, with_sick=with_sick)
        for name, with_sick in (("alone", False), ("beside", True))
    }
    seen: dict[str, list[Seen]] = await take_turns(args, both)
    for name in MEASURES:
        alone, beside = ([each.took[name] for each in seen[which]] for which in ("alone", "beside"))
        report.add_latencies(name, beside, floor=alone)
    for turn in seen["beside"]:
        told = (f"{count} {base}{' unknown' * unknown} {why}".strip() for base, unknown, why, count in turn.became)
        report.note(f"Orders at the sick venue became: {', '.join(told) or 'none'}.")


async def _turn(portal: BenchPortal, cookie: str, rate: float, turn: Turn, *, with_sick: bool) -> Seen:
    """Place orders at the well venue, and at the sick one when asked; return what was seen meanwhile."""
    url = portal.facts["url"]
    with psycopg.connect(portal.facts["database_url"], autocommit=True) as connection:
        row = connection.execute("SELECT now()").fetchone()
        assert row
        until = time.perf_counter() + turn.seconds
        venues = [portal.venue, portal.sick][: 2 if with_sick else 1]
        page, price, loads = await asyncio.gather(
            pages(portal.facts, cookie, until),
            prices(portal, cookie, until),
            asyncio.gather(
                *(
                    run_load(
                        url,
                        market_buys(portal, portal.keys, venue=venue),
                        connections=CONNECTIONS,
                        seconds=turn.seconds,
                        rate=rate,
                    )
                    for venue in venues
                )
            ),
        )
        await portal.quiet()
        took = [latency * 1000 for latency in loads[0].latencies]
        measured = zip(MEASURES, (took, fills_since(connection, row[0]), page, price), strict=True)
        return Seen(dict(measured), connection.execute(BECAME, [portal.sick, row[0]]).fetchall())


PROGRAM = Program(
    "hung_venue",
    "What does a venue that hangs cost the orders, prices and pages beside it?",
    measure,
    add_arguments,
    ENVIRONMENT,
)

if __name__ == "__main__":
    PROGRAM.main()
