"""Measure reads of one account with 50 positions and 200 open orders, beside psycopg reading the same rows as text.

    .venv/bin/python -m bench.reads --server uvicorn --rate 2000

Each question is asked at a rate, and a latency counts from when the request was due, not from when a connection was
free for it. `moving` asks while another key of the same account places an order now and then, so that what is kept
from the read before is no longer true. Nothing here judges: it prints a table and writes JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import platform
import random
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import psycopg
import uvloop

from bench.load import percentile, spread
from bench.portal import BenchPortal, bench_portal, cpu_seconds

ROOT = Path(__file__).parent.parent
POSITIONS, OPEN_ORDERS = 50, 200
CONNECTIONS = 32
ORDERS_A_SECOND = 10.0
_FLOOR = "SELECT o::text FROM orders_order o WHERE account_id = %s AND NOT is_closed ORDER BY placed_at DESC, id DESC"


@dataclass
class Seen:
    """What one run at a rate saw; latencies in milliseconds from when each request was due."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list, repr=False)
    statuses: dict[int, int] = field(default_factory=dict)
    bytes_read: int = 0
    cpu: dict[str, float] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """Return the run as numbers; processor time in microseconds a request."""
        count = max(len(self.latencies), 1)
        return {
            "per_second": len(self.latencies) / self.seconds,
            **{f"p{percent}": percentile(self.latencies, percent) for percent in (50, 95, 99)},
            "kilobytes": self.bytes_read / count / 1000,
            "statuses": self.statuses,
            "cpu": {name: 1e6 * used / count for name, used in self.cpu.items()},
        }


class Asker(asyncio.Protocol):
    """One keep-alive connection that sends a request and waits for the end of its answer."""

    def __init__(self) -> None:
        self._parts = bytearray()
        self._whole = 0
        self._answer: asyncio.Future[tuple[int, int]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        self._transport: Any = transport

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, int]]:
        """Send a request; its status and size follow."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        """Collect an answer; the head is looked at once."""
        self._parts += data
        if not self._whole and (end := self._parts.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._parts[:end]).lower()
            start = head.find(b"content-length:")
            self._whole = end + 4 + (int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0)
        if self._whole and len(self._parts) >= self._whole and self._answer and not self._answer.done():
            status, size = int(self._parts[9:12]), self._whole
            self._parts.clear()
            self._whole = 0
            self._answer.set_result((status, size))

    def connection_lost(self, exc: Exception | None) -> None:
        """Let nobody wait for ever."""
        if self._answer and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("The server closed the connection."))

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


async def ask_at_rate(url: str, requests: Iterator[bytes], *, rate: float, seconds: float) -> Seen:
    """Send requests evenly over some connections; one that finds none free waits, and its latency grows."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    seen = Seen()
    pairs = [await loop.create_connection(Asker, parts.hostname or "", parts.port or 80) for _ in range(CONNECTIONS)]
    begun = time.perf_counter()
    due_times = (begun + number / rate for number in range(int(rate * seconds)))

    async def work(asker: Asker) -> None:
        for due in due_times:
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            status, size = await asker.ask(next(requests))
            seen.latencies.append((time.perf_counter() - due) * 1000)
            seen.statuses[status] = seen.statuses.get(status, 0) + 1
            seen.bytes_read += size

    await asyncio.gather(*(work(asker) for _, asker in pairs))
    seen.seconds = time.perf_counter() - begun
    for _, asker in pairs:
        asker.close()
    return seen


class Book:
    """One bench account, filled through the API itself, and the requests that read it."""

    def __init__(self, portal: BenchPortal) -> None:
        self.portal = portal
        key_id, secret = portal.keys[0]
        self.headers = {"APCA-API-KEY-ID": key_id, "APCA-API-SECRET-KEY": secret}
        self.client = httpx.Client(base_url=portal.facts["url"], headers=self.headers, timeout=60)
        self._numbers = itertools.count(1)

    def symbols_make(self) -> list[str]:
        """Add instruments until there are enough, and let the feed price them all."""
        self.portal.manage("bench/inside/instruments.py", str(POSITIONS))
        os.kill(self.portal.facts["pids"]["feed"], signal.SIGTERM)  # started again, it knows them
        wanted = [asset["symbol"] for asset in self.client.get("/v2/assets").json() if asset["currency"] == "USD"]
        for symbol in wanted:
            self._wait(lambda s=symbol: self._buy(s).is_success)
        return wanted

    def _buy(self, symbol: str) -> httpx.Response:
        body = {"symbol": symbol, "qty": str(next(self._numbers)), "side": "buy", "type": "market"}
        return self.client.post("/v2/orders", json={**body, "time_in_force": "gtc"})

    def _wait(self, holds: Any, seconds: float = 60.0) -> None:
        until = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > until:
                raise TimeoutError("the bench account could not be filled")
            time.sleep(0.1)

    def fill(self) -> None:
        """Bring the account to its positions and open orders."""
        symbols = self.symbols_make()[:POSITIONS]
        self._wait(lambda: len(self.client.get("/v2/positions").json()) >= len(symbols))
        prices = {each["symbol"]: Decimal(each["current_price"]) for each in self.client.get("/v2/positions").json()}
        orders = [self.order(symbol, prices[symbol]) for symbol, _ in zip(itertools.cycle(symbols), range(OPEN_ORDERS))]
        for first in range(0, OPEN_ORDERS, 100):
            answer = self.client.post("/v2/orders/bulk", json={"orders": orders[first : first + 100]}).json()
            assert answer["accepted"] == 100, next(each for each in answer["results"] if each["status"] != 200)
        self._wait(lambda: all(each["status"] == "new" for each in self.open()))
        assert len(self.open()) == OPEN_ORDERS

    def order(self, symbol: str, price: Decimal) -> dict[str, str]:
        """Return a buy that rests well below the market; no two alike."""
        limit = (price * Decimal("0.96")).quantize(Decimal("0.01"))
        body = {"symbol": symbol, "qty": str(next(self._numbers)), "side": "buy", "type": "limit"}
        return {**body, "time_in_force": "gtc", "limit_price": str(limit)}

    def open(self) -> list[dict[str, Any]]:
        """Return the open orders."""
        return self.client.get("/v2/orders", params={"limit": 500}).json()

    def get(self, path: str, **headers: str) -> bytes:
        """Return a whole request."""
        given = {"Host": "127.0.0.1", **self.headers, **headers}
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n"

    def questions(self) -> dict[str, list[bytes]]:
        """Return the requests of each question; `mix` is the rest of them in equal parts, all 200 orders aside."""
        orders = self.open()
        etag = self.client.get("/v2/orders").headers.get("etag", "none")
        asked = {
            "orders": [self.get("/v2/orders")],
            "order": [self.get(f"/v2/orders/{each['id']}") for each in orders],
            "by client id": [
                self.get(f"/v2/orders:by_client_order_id?client_order_id={quote(each['client_order_id'])}")
                for each in orders
            ],
            "positions": [self.get("/v2/positions")],
            "account": [self.get("/v2/account")],
            "fills": [self.get("/v2/account/activities/FILL")],
        }
        rng = random.Random(1)
        asked["mix"] = [rng.choice(requests) for requests in asked.values() for _ in range(200)]
        rng.shuffle(asked["mix"])
        asked["not modified"] = [self.get("/v2/orders", **{"If-None-Match": etag})]
        asked["200 orders"] = [self.get("/v2/orders?limit=500")]
        return asked


async def place_now_and_then(book: Book, until: float) -> None:
    """Place and cancel orders of the account itself, so that its version moves."""
    rng = random.Random(2)
    prices = {each["symbol"]: Decimal(each["current_price"]) for each in book.client.get("/v2/positions").json()}
    async with httpx.AsyncClient(base_url=book.portal.facts["url"], headers=book.headers) as client:
        while time.perf_counter() < until:
            symbol = rng.choice(list(prices))
            placed = (await client.post("/v2/orders", json=book.order(symbol, prices[symbol]))).json()
            await asyncio.sleep(1 / ORDERS_A_SECOND)
            await client.delete(f"/v2/orders/{placed.get('id')}")


def floor(portal: BenchPortal, seconds: float) -> dict[str, float]:
    """Return how often a second psycopg alone reads the open orders as text, and the processor time that takes."""
    with psycopg.connect(portal.facts["database_url"], autocommit=True) as connection:
        row = connection.execute("SELECT id FROM accounts_tradingaccount WHERE number = 'BH-0'").fetchone()
        begun, own = time.perf_counter(), time.process_time()
        count = 0
        while time.perf_counter() < begun + seconds:
            connection.execute(_FLOOR, row, prepare=True).fetchall()
            count += 1
        took = time.perf_counter() - begun
    return {"per_second": count / took, "own_us": 1e6 * (time.process_time() - own) / count}


async def one_run(book: Book, name: str, args: argparse.Namespace, *, is_moving: bool) -> dict[str, Any]:
    """Ask one question at the rate for some seconds."""
    requests = itertools.cycle(book.questions()[name])
    until = time.perf_counter() + args.seconds
    mover = asyncio.create_task(place_now_and_then(book, until)) if is_moving else None
    before, own = cpu_seconds(book.portal.facts["pids"]), time.process_time()
    seen = await ask_at_rate(book.portal.facts["url"], requests, rate=args.rate, seconds=args.seconds)
    after = cpu_seconds(book.portal.facts["pids"])
    seen.cpu = {key: after[key] - before[key] for key in after} | {"client": time.process_time() - own}
    if mover:
        await mover
    return seen.row()


def show(rows: dict[str, list[dict[str, Any]]], args: argparse.Namespace) -> None:
    """Print medians over the rounds."""
    print(f"\nReads at {args.rate:g}/s, {args.server}, {POSITIONS} positions, {OPEN_ORDERS} open orders")
    print(f"  {'':22} {'asked/s':>8} {'p50 ms':>8} {'p95 ms':>8} {'min-max':>13} {'p99 ms':>8} {'kB':>7}  CPU us")
    for name, runs in rows.items():
        low, p95, high = spread([run["p95"] for run in runs])
        middle = {key: spread([run[key] for run in runs])[1] for key in ("per_second", "p50", "p99", "kilobytes")}
        used = "  ".join(f"{key} {value:.0f}" for key, value in runs[-1]["cpu"].items() if value > 5)
        odd = {status: count for run in runs for status, count in run["statuses"].items() if status not in (200, 304)}
        print(
            f"  {name:22} {middle['per_second']:8.0f} {middle['p50']:8.2f} {p95:8.2f} {low:6.2f}-{high:<6.2f}"
            f" {middle['p99']:8.2f} {middle['kilobytes']:7.1f}  {used} {odd or ''}"
        )


async def main(args: argparse.Namespace) -> None:
    """Fill an account, warm up, run the rounds, print the table."""
    with bench_portal(accounts=1, server=args.server) as portal:
        book = Book(portal)
        await asyncio.to_thread(book.fill)
        questions: Sequence[str] = args.questions or list(book.questions())
        rows: dict[str, list[dict[str, Any]]] = {}
        for number in range(args.rounds + 1):
            for name in questions:
                for is_moving in (False, True) if name in args.moving else (False,):
                    seen = await one_run(book, name, args, is_moving=is_moving)
                    if number:  # the first round warms up
                        rows.setdefault(f"{name}, moving" if is_moving else name, []).append(seen)
        floors = [floor(portal, min(args.seconds, 3)) for _ in range(args.rounds)]
        show(rows, args)
        low, middle, high = spread([each["per_second"] for each in floors])
        print(f"  floor: psycopg reads {OPEN_ORDERS} rows as text {middle:.0f}/s ({low:.0f}-{high:.0f})")
        write(rows, floors, args)


def write(rows: dict[str, Any], floors: list[dict[str, float]], args: argparse.Namespace) -> None:
    """Write what was measured, and on what machine."""
    folder = Path(os.environ.get("PORTAL_DATA_DIR", str(ROOT / ".data")))
    folder.mkdir(parents=True, exist_ok=True)
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    told = {"machine": machine, "arguments": vars(args), "rows": rows, "floor": floors}
    (folder / "bench-reads.json").write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("questions", nargs="*")
    parser.add_argument("--server", choices=["daphne", "uvicorn"], default="uvicorn")
    parser.add_argument("--rate", type=float, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--moving", nargs="*", default=["orders", "mix"])
    uvloop.run(main(parser.parse_args()))
