"""Measure reads of one account, each question at a rate, beside psycopg reading its open orders as text.

    .venv/bin/python -m bench.reads --server uvicorn --rate 2000

`moving` asks while orders of the account itself are placed and cancelled, so that what is kept from the read before is
no longer true.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx
import psycopg

from bench.frame import MICRO, Loaded, Program, Turn, load, take_turns
from bench.load import get
from bench.orders import named, signed
from bench.portal import BenchPortal
from bench.report import Report

POSITIONS, OPEN_ORDERS = 50, 200
CONNECTIONS = 32
MOVES_A_SECOND = 10.0
AIM_P95 = 5.0
BULK = 100
FILL_SECONDS = 60.0
_FLOOR = """
SELECT o::text FROM orders_order o WHERE NOT o.is_closed
  AND account_id = (SELECT account_id FROM accounts_apikey WHERE key_id = %s) ORDER BY placed_at DESC, id DESC
"""
Questions = dict[str, list[bytes]]


class Book:
    """The first bench account, filled through the API itself, and the requests that read it."""

    def __init__(self, portal: BenchPortal) -> None:
        self.portal = portal
        self.headers = signed(portal.keys[0])
        self.client = httpx.Client(base_url=portal.facts["url"], headers=self.headers, timeout=60)
        self._numbers = itertools.count(1)

    def fill(self, positions: int, open_orders: int) -> None:
        """Bring the account to its positions and open orders."""
        symbols = [self.portal.stock] if positions == 1 else self._symbols(positions)
        for symbol in symbols:
            _wait_until(partial(self._is_bought, symbol), f"{symbol} has a price")
        _wait_until(lambda: self.prices().keys() >= set(symbols), "all buys are filled")
        prices = self.prices()
        orders = [
            self.order(symbol, prices[symbol]) for symbol in itertools.islice(itertools.cycle(symbols), open_orders)
        ]
        resting: set[str] = set()
        for chunk in (orders[first : first + BULK] for first in range(0, open_orders, BULK)):
            answer = self.client.post("/v2/orders/bulk", json={"orders": chunk}).json()
            assert answer["accepted"] == len(chunk), next(each for each in answer["results"] if each["status"] != 200)
            resting |= {each["order"]["id"] for each in answer["results"]}
        _wait_until(lambda: {each["id"] for each in self.open() if each["status"] == "new"} >= resting, "orders rest")

    def _symbols(self, count: int) -> list[str]:
        """Return so many symbols in dollars; those that are added are priced once the feed has been started again."""
        if json.loads(self.portal.manage("bench/inside/instruments.py", str(count))):
            os.kill(self.portal.facts["pids"]["feed"], signal.SIGTERM)
        assets = self.client.get("/v2/assets").json()
        return [asset["symbol"] for asset in assets if asset["currency"] == "USD"][:count]

    def _is_bought(self, symbol: str) -> bool:
        body = {"symbol": symbol, "qty": str(next(self._numbers)), "side": "buy", "type": "market"}
        body |= {"time_in_force": "gtc", **named(self.portal.venue)}
        return self.client.post("/v2/orders", json=body).is_success

    def prices(self) -> dict[str, Decimal]:
        """Return the price of each position."""
        return {each["symbol"]: Decimal(each["current_price"]) for each in self.client.get("/v2/positions").json()}

    def order(self, symbol: str, price: Decimal) -> dict[str, str]:
        """Return a buy that rests well below the market; no two alike."""
        limit = (price * Decimal("0.96")).quantize(Decimal("0.01"))
        body = {"symbol": symbol, "qty": str(next(self._numbers)), "side": "buy", "type": "limit"}
        return {**body, "time_in_force": "gtc", "limit_price": str(limit), **named(self.portal.venue)}

    def open(self) -> list[dict[str, Any]]:
        """Return the open orders."""
        found: list[dict[str, Any]] = self.client.get("/v2/orders", params={"limit": 500}).json()
        return found

    def questions(self) -> Questions:
        """Return the requests of each question; `mix` is those before it in equal parts."""
        orders = self.open()
        etag = self.client.get("/v2/orders").headers["etag"]
        by_name = "/v2/orders:by_client_order_id?client_order_id="
        asked = {
            "orders": [self._get("/v2/orders")],
            "order": [self._get(f"/v2/orders/{each['id']}") for each in orders],
            "order by client id": [self._get(by_name + quote(each["client_order_id"])) for each in orders],
            "positions": [self._get("/v2/positions")],
            "account": [self._get("/v2/account")],
            "fills": [self._get("/v2/account/activities/FILL")],
        }
        rng = random.Random(1)
        asked["mix"] = [rng.choice(requests) for requests in asked.values() for _ in range(200)]
        rng.shuffle(asked["mix"])
        asked["orders, not modified"] = [self._get("/v2/orders", {"If-None-Match": etag})]
        asked["all open orders"] = [self._get("/v2/orders?limit=500")]
        return asked

    def _get(self, path: str, headers: dict[str, str] | None = None) -> bytes:
        return get(path, self.headers | (headers or {}))

    @asynccontextmanager
    async def moving(self) -> AsyncIterator[None]:
        """Place and cancel orders of the account while the block runs, so that its version moves."""
        has_ended = asyncio.Event()
        task = asyncio.create_task(self._move(await asyncio.to_thread(self.prices), has_ended))
        try:
            yield
        finally:
            has_ended.set()
            await task

    async def _move(self, prices: dict[str, Decimal], has_ended: asyncio.Event) -> None:
        async with httpx.AsyncClient(base_url=self.portal.facts["url"], headers=self.headers, timeout=60) as client:
            for symbol in itertools.cycle(prices):
                if has_ended.is_set():
                    break
                placed = (await client.post("/v2/orders", json=self.order(symbol, prices[symbol]))).json()
                await asyncio.sleep(1 / MOVES_A_SECOND)
                await client.delete(f"/v2/orders/{placed['id']}")


def _wait_until(holds: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + FILL_SECONDS
    while not holds():
        if time.monotonic() > until:
            raise TimeoutError(f"the bench account could not be filled: waited {FILL_SECONDS:g} s until {what}")
        time.sleep(0.1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is asked, how often, and how much the account has."""
    parser.add_argument("--rate", type=float, default=2000.0, help="requests a second, of each question in its turn")
    parser.add_argument("--questions", nargs="*", default=[], help="these only")
    parser.add_argument("--moving", nargs="*", default=["orders", "mix"], help="also while the account's log moves")
    parser.add_argument("--positions", type=int, default=POSITIONS)
    parser.add_argument("--open-orders", type=int, default=OPEN_ORDERS)


async def measure(portal: BenchPortal, args: argparse.Namespace, report: Report) -> None:
    """Fill an account; let the questions and the floor take turns."""
    book = Book(portal)
    await asyncio.to_thread(book.fill, args.positions, args.open_orders)
    asked = await asyncio.to_thread(book.questions)
    names = args.questions or list(asked)

    async def ask(turn: Turn, requests: list[bytes]) -> Loaded:
        endless: Iterator[bytes] = itertools.cycle(requests)
        return await load(portal, endless, report, connections=CONNECTIONS, seconds=turn.seconds, rate=args.rate)

    async def ask_moving(turn: Turn, requests: list[bytes]) -> Loaded:
        async with book.moving():
            return await ask(turn, requests)

    asking = {name: partial(ask, requests=asked[name]) for name in names}
    asking |= {f"{name}, moving": partial(ask_moving, requests=asked[name]) for name in args.moving if name in names}
    seen = await take_turns(args, {**asking, "psycopg": partial(_read_alone, portal)})
    floors: list[float] = seen.pop("psycopg")
    report.note("The floor is how often a second psycopg alone reads all open orders as text, one read at a time.")
    for name, rounds in seen.items():
        _add(report, name, rounds, floors, args.rate)


def _add(report: Report, name: str, rounds: list[Loaded], floors: list[float], rate: float) -> None:
    answered = [len(each.result.latencies) for each in rounds]
    rates = [count / each.result.seconds for count, each in zip(answered, rounds, strict=True)]
    report.add(f"answered, {name}", rates, unit="1/s", floor=floors, aim=rate)
    report.add_latencies(name, [each.milliseconds for each in rounds], aim_p95=AIM_P95)
    used = [
        {process: seconds * MICRO / count for process, seconds in each.cpu.items()}
        for count, each in zip(answered, rounds, strict=True)
    ]
    report.add_cpu(used, unit="µs/request", of=name)


async def _read_alone(portal: BenchPortal, turn: Turn) -> float:
    """Return how often a second psycopg reads the open orders."""

    def read() -> float:
        with psycopg.connect(portal.facts["database_url"], autocommit=True) as connection:
            begun = time.perf_counter()
            count = 0
            while (took := time.perf_counter() - begun) < turn.seconds:
                connection.execute(_FLOOR, [portal.keys[0][0]], prepare=True).fetchall()
                count += 1
        return count / took

    return await asyncio.to_thread(read)


PROGRAM = Program(
    "reads",
    "How long do reads of an account with many positions and open orders take, at a rate?",
    measure,
    add_arguments,
)

if __name__ == "__main__":
    PROGRAM.main()
