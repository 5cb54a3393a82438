"""Measure what a hung venue costs the others: orders, prices and pages beside it, with and without it.

    .venv/bin/python -m bench.hung_venue --seconds 30

Two paper venues share one worker process. Of the second one's calls, four of five never return. Nothing here judges:
it prints a table.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import websockets

from bench.live import FILL_SQL, sign_in, summary
from bench.load import post, run_load
from bench.portal import NO_LIMIT, BenchPortal
from trading_portal.running.testing import running_portal

WELL, SICK = "paper", "stuck"
ENVIRONMENT = {
    "PORTAL_PAPER_VENUES": f"{WELL},{SICK}",
    "PORTAL_VENUES_OPEN": f"{WELL},{SICK}",
    "PORTAL_PAPER_STUCK_HANG_PERCENT": "80",
    **NO_LIMIT,
}
QUOTED = ["BTC/USD", "ETH/USD", "SOL/USD", "AAPL", "MSFT"]


def orders(keys: list[tuple[str, str]], venue: str, first: int) -> Iterator[bytes]:
    """Yield small market buys for a venue, each for the next bench account in turn, no two alike."""
    for number, (key_id, secret) in enumerate(itertools.cycle(keys), first):
        headers = {"APCA-API-KEY-ID": key_id, "APCA-API-SECRET-KEY": secret}
        body = {"symbol": "SOL/USD", "qty": f"{number / 10000:.4f}", "side": "buy", "type": "market"}
        yield post("/v2/orders", json.dumps({**body, "time_in_force": "gtc", "venue": venue}).encode(), headers)


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


async def prices(facts: dict[str, Any], cookie: str, until: float) -> list[float]:
    """Follow prices as a page does; return the pauses between frames, in milliseconds."""
    address = facts["url"].replace("http", "ws") + "/ws"
    pauses: list[float] = []
    last: float | None = None
    headers = {"Cookie": cookie, "Origin": facts["url"]}
    async with websockets.connect(address, additional_headers=headers, max_size=None) as socket:
        await socket.send(json.dumps({"op": "subscribe", "id": 1, "ch": "quotes", "syms": QUOTED, "rate": 4}))
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


async def measure(
    facts: dict[str, Any], keys: list[tuple[str, str]], cookie: str, *, seconds: float, first: int, with_sick: bool
) -> dict[str, Any]:
    """Place orders at the well venue, and at the sick one when asked; return what was seen meanwhile."""
    with psycopg.connect(facts["database_url"], autocommit=True) as connection:
        row = connection.execute("SELECT now()").fetchone()
        assert row
        until = time.perf_counter() + seconds
        work = [
            pages(facts, cookie, until),
            prices(facts, cookie, until),
            run_load(facts["url"], orders(keys, WELL, first), connections=8, seconds=seconds, rate=20),
        ]
        if with_sick:
            work.append(
                run_load(facts["url"], orders(keys, SICK, first + 5_000), connections=8, seconds=seconds, rate=20)
            )
        page, price, well, *sick = await asyncio.gather(*work)
        await asyncio.sleep(2)
        fills = [float(found[0]) for found in connection.execute(FILL_SQL, [row[0]])]
        became = connection.execute(
            "SELECT base, is_unknown, reasons #>> '{0,code}', count(*) FROM orders_order "
            "WHERE venue = %s AND placed_at >= %s GROUP BY 1, 2, 3 ORDER BY 4 DESC",
            [SICK, row[0]],
        ).fetchall()
    return {
        "order answered": [latency * 1000 for latency in well.latencies],
        "accept to fill": fills,
        "trading page": page,
        "pause between prices": price,
        "accepted": (well.accepted, len(fills)),
        "sick": (sick[0].statuses if sick else {}, became),
    }


def show(title: str, seen: dict[str, Any]) -> None:
    """Print one phase."""
    accepted, filled = seen["accepted"]
    print(f"\n{title}: {accepted} orders accepted at the well venue, {filled} fills")
    for name in ("order answered", "accept to fill", "trading page", "pause between prices"):
        print(f"  {name:22} {summary(seen[name])}")
    statuses, became = seen["sick"]
    if statuses:
        told = ", ".join(f"{n} {base}{' unknown' * unknown} {why or ''}".strip() for base, unknown, why, n in became)
        print(f"  at the sick venue      answered {statuses}; {told}")


def main() -> None:
    """Run both phases on one portal, the sick venue's orders only in the second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--server", default="daphne", choices=("daphne", "uvicorn"))
    given = parser.parse_args()
    with running_portal(PORTAL_ASGI=given.server, **ENVIRONMENT) as facts:
        keys = [(key, secret) for key, secret in json.loads(BenchPortal(facts, []).manage("bench/provision.py", "4"))]
        cookie = sign_in(facts["url"], facts["users"]["trader"])
        asyncio.run(measure(facts, keys, cookie, seconds=5, first=100, with_sick=False))
        for title, first, with_sick in (("Alone", 10_000, False), ("Beside a hung venue", 30_000, True)):
            show(
                title,
                asyncio.run(measure(facts, keys, cookie, seconds=given.seconds, first=first, with_sick=with_sick)),
            )


if __name__ == "__main__":
    main()
