"""Measure durable acceptance and the way to the browser, each beside a floor from the same run.

`make bench` runs this. Nothing here judges: it prints a table and writes bench.json.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import platform
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from bench import floor, live
from bench.load import LoadResult, post, run_load, spread
from bench.portal import BenchPortal, bench_portal, cpu_seconds

ROOT = Path(__file__).parent.parent
BULK_CONNECTIONS = 8


def order(rng: random.Random, price: int) -> dict[str, str]:
    """Return a buy that passes every rule, prices itself below the market and ends by itself (ioc)."""
    return {
        "symbol": "AAPL",
        "qty": str(rng.randint(1, 5000)),
        "side": "buy",
        "type": "limit",
        "time_in_force": "ioc",
        "limit_price": f"{price / 100 - rng.randint(0, 400) / 100:.2f}",
    }


def requests(portal: BenchPortal, *, batch: int, seed: int, price: int) -> Iterator[bytes]:
    """Yield POSTs, each for the next bench account in turn."""
    rng = random.Random(seed)
    for key_id, secret in itertools.cycle(portal.keys):
        headers = {"APCA-API-KEY-ID": key_id, "APCA-API-SECRET-KEY": secret}
        orders = [order(rng, price) for _ in range(batch)]
        if batch == 1:
            yield post("/v2/orders", json.dumps(orders[0]).encode(), headers)
        else:
            yield post("/v2/orders/bulk", json.dumps({"orders": orders}).encode(), headers)


def trader_requests(facts: dict[str, Any], first: int) -> Iterator[bytes]:
    """Yield the demo trader's small market buys, no two alike."""
    headers = {"APCA-API-KEY-ID": facts["api"]["key_id"], "APCA-API-SECRET-KEY": facts["api"]["secret_key"]}
    for number in itertools.count(first):
        body = {"symbol": "SOL/USD", "qty": f"{number / 10000:.4f}", "side": "buy", "type": "market"}
        yield post("/v2/orders", json.dumps({**body, "time_in_force": "gtc"}).encode(), headers)


def price_below_market(portal: BenchPortal) -> int:
    """Return cents a little below AAPL's last price, inside the collar."""
    with psycopg.connect(portal.facts["database_url"]) as connection:
        row = connection.execute(
            "SELECT q.last FROM marketdata_quote q JOIN marketdata_instrument i ON i.id = q.instrument_id"
            " WHERE i.symbol = 'AAPL'"
        ).fetchone()
    assert row, "the feed has not priced AAPL yet"
    return int(row[0] * 97)


async def one_round(portal: BenchPortal, args: argparse.Namespace, number: int, rows: dict[str, list[Any]]) -> None:
    """Run each question once, floor and portal in turn."""
    price = price_below_market(portal)
    for name, batch, connections in (("single", 1, args.connections), ("bulk", args.batch, BULK_CONNECTIONS)):
        cpu_before = cpu_seconds(portal.facts["pids"])
        made = requests(portal, batch=batch, seed=number, price=price)
        result = await run_load(portal.facts["url"], made, connections=connections, seconds=args.seconds)
        cpu_after = cpu_seconds(portal.facts["pids"])
        complain(name, result)
        # Let the venue work off what was accepted, so that the floor has the machine to itself.
        await wait_for_quiet(portal)
        prepare_floor(portal)
        floor_rate = await asyncio.to_thread(
            floor.run_floor,
            portal.facts["database_url"],
            accounts=len(portal.keys),
            batch=batch,
            clients=8 if batch == 1 else 2,
            seconds=int(args.seconds),
        )
        rows.setdefault(name, []).append(
            {
                "per_second": result.per_second,
                "floor": floor_rate,
                "p50": result.percentile(50),
                "p99": result.percentile(99),
                "cpu": {key: (cpu_after[key] - cpu_before.get(key, 0)) / result.seconds for key in cpu_after},
            }
        )
    for index, rate in enumerate(args.rates):
        seen = await live.measure(
            portal.facts, trader_requests(portal.facts, 1 + 1000 * index), rate=rate, seconds=args.seconds
        )
        if set(seen["statuses"]) - {200}:
            print(f"  live at {rate}/s: {seen['statuses']} {seen['first_refusal']}")
        rows.setdefault(f"live {rate:g}/s", []).append(seen)


def complain(name: str, result: LoadResult) -> None:
    """Say what was refused, so that no refusal counts as speed."""
    if result.first_refusal:
        print(f"  {name}: {result.statuses} {result.first_refusal}")


async def wait_for_quiet(portal: BenchPortal, seconds: float = 60.0) -> None:
    """Wait until no order is on its way to or from the venue."""
    with psycopg.connect(portal.facts["database_url"], autocommit=True) as connection:
        for _ in range(int(seconds * 5)):
            row = connection.execute(
                "SELECT count(*) FROM orders_order WHERE base IN ('accepted', 'pending_new') AND venue <> 'floor'"
            ).fetchone()
            if row and row[0] == 0:
                return
            await asyncio.sleep(0.2)


def prepare_floor(portal: BenchPortal) -> None:
    """Make the tables that the floor's script reads."""
    with psycopg.connect(portal.facts["database_url"], autocommit=True) as connection:
        for statement in floor.PREPARE.split(";"):
            if statement.strip():
                connection.execute(statement.replace("%%", "%"))


def print_table(rows: dict[str, list[Any]], server: str) -> None:
    """Print medians and spreads over the rounds."""
    print(f"\nDurable, risk-checked acceptance over HTTP ({server})")
    print(f"  {'':8} {'orders/s':>10} {'min-max':>17} {'pgbench':>10} {'ratio':>7} {'p50 ms':>8} {'p99 ms':>8}")
    for name in ("single", "bulk"):
        low, middle, high = spread([row["per_second"] for row in rows[name]])
        floor_middle = spread([row["floor"] for row in rows[name]])[1]
        p50, p99 = (spread([row[p] for row in rows[name]])[1] for p in ("p50", "p99"))
        print(
            f"  {name:8} {middle:10.0f} {low:8.0f}-{high:<8.0f} {floor_middle:10.0f} {middle / floor_middle:7.2f}"
            f" {p50:8.1f} {p99:8.1f}"
        )
        used = rows[name][-1]["cpu"]
        print("           cores: " + "  ".join(f"{key} {value:.2f}" for key, value in used.items() if value > 0.005))
    for name, rounds in rows.items():
        if name.startswith("live"):
            print(f"\n{name.capitalize()}, one page open")
            for measure in ("answer", "accept to fill", "accept to browser", "fill to browser"):
                print(f"  {measure:18} {live.summary([value for seen in rounds for value in seen[measure]])}")


def write_json(rows: dict[str, list[Any]], server: str) -> Path:
    """Write what was measured, and on what machine."""
    folder = Path(os.environ.get("PORTAL_DATA_DIR", str(ROOT / ".data")))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bench.json"
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    path.write_text(json.dumps({"machine": machine, "server": server, "rows": rows}, indent=1))
    return path


async def main(args: argparse.Namespace) -> None:
    """Warm up, run the rounds, print the table."""
    with bench_portal(accounts=args.accounts, server=args.server) as portal:
        print(f"{os.cpu_count()} cores, {args.server}, {args.accounts} accounts, {args.rounds} rounds", flush=True)
        await asyncio.sleep(3)
        warm_up = requests(portal, batch=1, seed=99, price=price_below_market(portal))
        complain("warm-up", await run_load(portal.facts["url"], warm_up, connections=8, seconds=min(2, args.seconds)))
        rows: dict[str, list[Any]] = {}
        for number in range(args.rounds):
            print(f"round {number + 1} of {args.rounds} ...", flush=True)
            await one_round(portal, args, number, rows)
        print_table(rows, args.server)
        print(f"\nWritten to {write_json(rows, args.server)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", choices=["daphne", "uvicorn"], default=os.environ.get("PORTAL_ASGI") or "daphne")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--accounts", type=int, default=64)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rates", type=float, nargs="*", default=[10, 100, 250])
    asyncio.run(main(parser.parse_args()))
