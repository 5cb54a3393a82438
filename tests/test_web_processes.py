"""Several web processes share a port: any of them takes any request, and what one accepted all of them know."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from orders.tests.api import Caller
from positions.tests.helpers import rows
from tests.live import SERVERS
from trading_portal.kernel.ids import uuid7
from trading_portal.running import testing
from trading_portal.running.supervisor import Supervisor

CONNECTIONS = 24
ROUNDS = 12
TURNS = 4
SECONDS = 30.0


@pytest.fixture(scope="module", params=SERVERS)
def web(request: pytest.FixtureRequest) -> Iterator[tuple[Supervisor, str]]:
    with testing.web_processes(os.environ, server=request.param, count=2) as found:
        yield found


class Crowd:
    """One partner's connections, all kept open, which the system has shared out among the processes."""

    def __init__(self, address: str, caller: Caller, leave: ExitStack) -> None:
        self.address = address
        self._pool = leave.enter_context(ThreadPoolExecutor(CONNECTIONS))
        self._ready = threading.Barrier(CONNECTIONS)
        options: dict[str, Any] = {"base_url": f"http://{address}", "headers": caller.headers, "timeout": 30}
        self._clients = [leave.enter_context(httpx.Client(**options)) for _ in range(CONNECTIONS)]

    def send(self, *bodies: dict[str, str]) -> list[httpx.Response]:
        """Send one body on each connection, all at once."""

        def post(client: httpx.Client, body: dict[str, str]) -> httpx.Response:
            self._ready.wait(SECONDS)
            return client.post("/v2/orders", json=body)

        return list(self._pool.map(post, self._clients, bodies))


@pytest.fixture
def crowd(web: tuple[Supervisor, str], caller: Caller) -> Iterator[Crowd]:
    with ExitStack() as leave:
        yield Crowd(web[1], caller, leave)


def order(symbol: str, quantity: int, client_order_id: str = "") -> dict[str, str]:
    return {
        "symbol": symbol,
        "qty": str(quantity),
        "side": "buy",
        "type": "limit",
        "limit_price": "99.5",
        "time_in_force": "gtc",
        "client_order_id": client_order_id or str(uuid7()),
    }


def wait_until(holds: Callable[[], object], meanwhile: Callable[[], object] = lambda: time.sleep(0.02)) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        meanwhile()


def connections_of(pid: int, port: int) -> int:
    """Return how many connections to a port a process holds (Linux)."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "01" and int(fields[1].rpartition(":")[2], 16) == port:
            inodes.add(f"socket:[{fields[9]}]")
    return sum(str(held.readlink()) in inodes for held in Path(f"/proc/{pid}/fd").iterdir() if held.is_symlink())


@contextmanager
def locked(account_id: UUID) -> Iterator[psycopg.Connection[Any]]:
    """Hold an account's lock, as some other transaction would."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as holding:
        holding.execute("SELECT 1 FROM accounts_tradingaccount WHERE id = %s FOR UPDATE", [account_id])
        yield holding


def is_served(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/healthz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def waiting_for_locks() -> int:
    return int(rows("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")[0][0])


@pytest.mark.parametrize("server", SERVERS)
def test_a_process_that_is_stopped_answers_what_it_let_in(server: str, caller: Caller, market: str) -> None:
    name = str(uuid7())
    with (
        testing.web_processes(os.environ, server=server) as (supervisor, address),
        ThreadPoolExecutor(1) as pool,
        locked(caller.account_id) as holding,
    ):
        process = supervisor.children["web"].process
        assert process
        wait_until(lambda: is_served(address))
        url, body = f"http://{address}/v2/orders", order(market, 1, name)
        asked = pool.submit(httpx.post, url, json=body, headers=caller.headers, timeout=30)
        wait_until(lambda: waiting_for_locks() > 0)
        process.terminate()
        time.sleep(1)
        assert not asked.done()
        holding.rollback()
        assert asked.result(SECONDS).status_code == 200
        assert process.wait(SECONDS) is not None
    assert rows("SELECT count(*) FROM orders_order WHERE client_order_id = %s", name) == [(1,)]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux shares connections out")
def test_connections_are_shared_out_among_the_processes(web, crowd, market):
    crowd.send(*(order(market, number + 1) for number in range(CONNECTIONS)))
    port = int(crowd.address.rpartition(":")[2])
    held = [connections_of(child.process.pid, port) for child in web[0].children.values() if child.process]
    assert len(held) == 2
    assert min(held) > 0
    assert sum(held) >= CONNECTIONS


def test_processes_that_race_for_one_client_order_id_place_one_order(crowd, caller, market):
    for number in range(ROUNDS):
        name = str(uuid7())
        # In every second round they do not even agree on what is ordered.
        bodies = [order(market, 100 + number + (at % 2) * (number % 2) * 50, name) for at in range(CONNECTIONS)]
        answers = crowd.send(*bodies)
        taken = [answer for answer in answers if answer.status_code == 200]
        assert len({answer.json()["id"] for answer in taken}) == 1
        others = {(answer.status_code, answer.json()["code"]) for answer in answers if answer.status_code != 200}
        assert others == ({(422, 40010001)} if number % 2 else set())
        assert rows("SELECT count(*) FROM orders_order WHERE client_order_id = %s", name) == [(1,)]
        reserved = rows("SELECT sum(quantity_left) FROM positions_reservation WHERE account_id = %s", caller.account_id)
        shown = rows("SELECT sum(quantity) FROM orders_order WHERE account_id = %s", caller.account_id)
        assert reserved == shown


def test_one_account_s_orders_through_several_processes_leave_no_gap(crowd, caller, market):
    for turn in range(TURNS):
        quantities = range(1 + turn * CONNECTIONS, 1 + (turn + 1) * CONNECTIONS)
        answers = crowd.send(*(order(market, quantity) for quantity in quantities))
        # Soon the account holds as much of one symbol as risk allows; what is refused is stored and told as well.
        assert {answer.status_code for answer in answers} <= {200, 403}
        assert turn or 200 in {answer.status_code for answer in answers}
    [[placed]] = rows("SELECT count(*) FROM orders_order WHERE account_id = %s", caller.account_id)
    assert placed == TURNS * CONNECTIONS
    [[count, last]] = rows(
        "SELECT count(*), max(account_sequence) FROM audit_event WHERE account_id = %s", caller.account_id
    )
    assert count == last >= placed


def test_one_process_dies_and_is_started_again_while_the_other_serves(web, caller, market):
    supervisor, address = web
    child = supervisor.children["web-2"]
    assert child.process
    starts, dead = child.starts, child.process.pid
    os.kill(dead, signal.SIGKILL)
    os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT)
    headers = caller.headers
    for quantity in range(1, 6):
        answer = httpx.post(f"http://{address}/v2/orders", json=order(market, quantity), headers=headers, timeout=30)
        assert answer.status_code == 200
    assert child.starts == starts
    wait_until(lambda: child.starts != starts and child.heard_at, meanwhile=lambda: supervisor.turn(0.02))
    assert child.process.pid != dead
    assert supervisor.children["web"].starts == 1
