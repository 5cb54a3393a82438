"""Whoever hangs up has placed the order all the same, once; whom a full queue refuses is told to come again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import httpx
import orjson
import pytest

from orders.services import orders_place
from orders.services.queue import PlacementQueue
from orders.tests.api import Caller, new_caller
from positions.tests.helpers import rows
from tests.sdk.helpers import until
from trading_portal.kernel.ids import uuid7

CAPACITY = 3
SECONDS = 20.0

Order = dict[str, str]
quantities = count(1)


class Gate:
    """Place orders as ever, but only once it is opened; tell when the first is at it."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self, **asked: Any) -> Any:
        self.entered.set()
        assert self.opened.wait(SECONDS)
        return orders_place(**asked)


@pytest.fixture
def client(live: str) -> Iterator[tuple[httpx.Client, Caller]]:
    caller = new_caller()
    with httpx.Client(base_url=f"http://{live}", headers=caller.headers, timeout=30) as client:
        yield client, caller


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def queue(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlacementQueue]:
    """Have the servers, which are threads of this process, place through a small queue behind the gate."""
    queue = PlacementQueue(place=gate, capacity=CAPACITY)
    monkeypatch.setattr("orders.api.commands.placement_queue", lambda: queue)
    yield queue
    gate.opened.set()
    assert queue.stop()


def order(symbol: str) -> Order:
    return {
        "symbol": symbol,
        "qty": str(next(quantities)),
        "side": "buy",
        "type": "limit",
        "limit_price": "99.5",
        "time_in_force": "gtc",
        "client_order_id": str(uuid7()),
    }


def sent(live: str, caller: Caller, body: Order) -> socket.socket:
    """Send an order over a connection of its own and read nothing; return the connection."""
    content = orjson.dumps(body)
    head = {"Host": live, "Content-Type": "application/json", "Content-Length": len(content), **caller.headers}
    lines = ["POST /v2/orders HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
    host, _, port = live.rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=SECONDS)
    connection.sendall("\r\n".join([*lines, "", ""]).encode() + content)
    return connection


def found(client: httpx.Client, body: Order) -> Any:
    """Return the order that has this client_order_id, if there is one."""
    answer = client.get("/v2/orders:by_client_order_id", params={"client_order_id": body["client_order_id"]})
    assert answer.status_code in (200, 404)
    return answer.json() if answer.status_code == 200 else None


def assert_placed_once(client: httpx.Client, caller: Caller, body: Order) -> None:
    """Wait for the order; send it again, which changes nothing and tells of the same one."""
    placed = until(lambda: found(client, body))
    assert (placed["status"], placed["qty"]) == ("accepted", body["qty"])
    again = client.post("/v2/orders", json=body)
    assert (again.status_code, again.json()["id"]) == (200, placed["id"])
    stored = "SELECT client_order_id FROM orders_order WHERE account_id = %s"
    assert rows(stored, caller.account_id).count((body["client_order_id"],)) == 1


def test_an_order_whose_sender_hangs_up_at_once_is_placed_once(
    live: str, client: tuple[httpx.Client, Caller], market: str
) -> None:
    bodies = [order(market) for _ in range(10)]
    for body in bodies:
        sent(live, client[1], body).close()
    for body in bodies:
        assert_placed_once(*client, body)


def test_an_order_whose_sender_hangs_up_while_it_is_being_placed_is_placed_once(
    live: str, client: tuple[httpx.Client, Caller], market: str, gate: Gate, queue: PlacementQueue
) -> None:
    bodies = [order(market) for _ in range(CAPACITY)]
    connections = [sent(live, client[1], body) for body in bodies]
    until(lambda: queue.waiting == CAPACITY)
    for connection in connections:
        connection.close()
    assert [found(client[0], body) for body in bodies] == [None] * CAPACITY
    gate.opened.set()
    for body in bodies:
        assert_placed_once(*client, body)


def test_a_full_queue_says_when_to_come_again_and_answers_whom_it_let_in(
    client: tuple[httpx.Client, Caller], market: str, gate: Gate, queue: PlacementQueue
) -> None:
    def post(body: Order) -> httpx.Response:
        return client[0].post("/v2/orders", json=body)

    early, late = [order(market) for _ in range(CAPACITY)], order(market)
    with ThreadPoolExecutor(CAPACITY) as pool:
        let_in = [pool.submit(post, body) for body in early]
        until(lambda: gate.entered.is_set() and queue.waiting == CAPACITY)
        refused = post(late)
        assert not any(answer.done() for answer in let_in)
        gate.opened.set()
        answers = [answer.result(SECONDS) for answer in let_in]
    assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
    assert int(refused.headers["retry-after"]) >= 1
    assert [error["code"] for error in refused.json()["errors"]] == ["PLACEMENT_QUEUE_FULL"]
    assert [(answer.status_code, answer.json()["client_order_id"]) for answer in answers] == [
        (200, body["client_order_id"]) for body in early
    ]
    assert found(client[0], late) is None
    assert post(late).status_code == 200
    assert_placed_once(*client, late)
