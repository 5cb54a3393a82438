"""Measure how long an order takes to reach its fill and the browser."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import psycopg
import websockets

from bench.load import percentile, run_load

FILL_SQL = """
SELECT extract(epoch FROM filled.recorded_at - accepted.recorded_at) * 1000
FROM audit_event accepted JOIN audit_event filled ON filled.stream = accepted.stream
WHERE accepted.type = 'order.accepted' AND filled.type = 'order.executed' AND accepted.recorded_at >= %s
"""


def sign_in(url: str, user: dict[str, str]) -> str:
    """Return the cookie header of a signed-in browser."""
    with httpx.Client(base_url=url, headers={"Referer": url}) as client:
        client.get("/sign-in")
        answer = client.post(
            "/sign-in",
            data={
                "username": user["username"],
                "password": user["password"],
                "csrfmiddlewaretoken": client.cookies["csrftoken"],
            },
        )
        assert answer.status_code == 302, f"sign-in answered {answer.status_code}"
        return f"sessionid={client.cookies['sessionid']}"


async def _watch(socket: Any, pushed: dict[str, list[float]]) -> None:
    """Note, for each event pushed to the page, how old it is on arrival."""
    async for frame in socket:
        message = json.loads(frame)
        if message.get("type") != "delta" or message.get("ch") != "account":
            continue
        now = time.time()
        for event in message["events"]:
            recorded = datetime.fromisoformat(event["recorded_at"]).timestamp()
            pushed.setdefault(event["type"], []).append((now - recorded) * 1000)


async def measure(facts: dict[str, Any], requests: Iterator[bytes], *, rate: float, seconds: float) -> dict[str, Any]:
    """Place the trader's orders at a rate with a page open; return latencies in milliseconds."""
    with psycopg.connect(facts["database_url"], autocommit=True) as connection:
        row = connection.execute("SELECT now()").fetchone()
        assert row
        begun_at = row[0]
        account = connection.execute(
            "SELECT account_id FROM accounts_apikey WHERE key_id = %s", [facts["api"]["key_id"]]
        ).fetchone()
        assert account
        cookie = sign_in(facts["url"], facts["users"]["trader"])
        address = facts["url"].replace("http", "ws") + "/ws"
        pushed: dict[str, list[float]] = {}
        async with websockets.connect(
            address, additional_headers={"Cookie": cookie, "Origin": facts["url"]}, max_size=None
        ) as socket:
            await socket.send(json.dumps({"op": "subscribe", "id": 1, "ch": "account", "account_id": str(account[0])}))
            watcher = asyncio.create_task(_watch(socket, pushed))
            await asyncio.sleep(1)
            load = await run_load(facts["url"], requests, connections=16, seconds=seconds, rate=rate)
            await asyncio.sleep(2)
            watcher.cancel()
        fills = [float(row[0]) for row in connection.execute(FILL_SQL, [begun_at])]
    return {
        "statuses": load.statuses,
        "first_refusal": load.first_refusal,
        "answer": [latency * 1000 for latency in load.latencies],
        "accept to fill": fills,
        "accept to browser": pushed.get("order.accepted", []),
        "fill to browser": pushed.get("order.executed", []),
    }


def summary(values: list[float]) -> str:
    """Return p50, p95 and p99 in milliseconds, and how many there were."""
    if not values:
        return "none seen"
    p50, p95, p99 = (percentile(values, percent) for percent in (50, 95, 99))
    return f"p50 {p50:7.1f}  p95 {p95:7.1f}  p99 {p99:7.1f} ms  (n={len(values)})"
