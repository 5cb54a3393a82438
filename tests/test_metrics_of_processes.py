"""One scrape tells of every process of a portal, whichever of them answers it, and of none that is dead."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from tests.live import SERVERS
from tests.scraping import Scrape, scraped
from tests.test_price_stream import streaming
from tests.test_web_processes import connections_of, order, wait_until
from trading_portal.kernel import clock
from trading_portal.metrics.files import SIZES
from trading_portal.running import metering, testing
from trading_portal.running.ports import HOST
from trading_portal.running.supervisor import Supervisor

TOKEN = "a-token-of-these-tests"
CONNECTIONS = 16
SCRAPES = 12
READERS = "portal_hub_connections"


def environment(**changed: str) -> dict[str, str]:
    return {**os.environ, "METRICS_TOKEN": TOKEN, **changed}


@pytest.fixture
def web(request: pytest.FixtureRequest) -> Iterator[tuple[Supervisor, str]]:
    server = getattr(request, "param", "uvicorn")
    with testing.web_processes(environment(), server=server, count=2) as found:
        wait_until(lambda: answers(found[1]))
        yield found


def scrapes(address: str) -> list[Scrape]:
    """Scrape so often, each time on a new connection, that more than one process answers."""
    return [scraped(address, TOKEN) for _ in range(SCRAPES)]


def answers(address: str) -> bool:
    """Tell whether anybody listens: a process shows life an instant before it does."""
    try:
        return httpx.get(f"http://{address}/metrics", timeout=30).status_code == 401
    except httpx.TransportError:
        return False


def pids(supervisor: Supervisor) -> list[int]:
    return [child.process.pid for child in supervisor.children.values() if child.process]


def kill(supervisor: Supervisor, name: str) -> None:
    """Kill a process, and wait until the next one in its place shows life."""
    child = supervisor.children[name]
    assert child.process
    starts = child.starts
    child.process.kill()
    wait_until(lambda: child.starts > starts and child.heard_at, meanwhile=lambda: supervisor.turn(0.02))


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux shares connections out")
@pytest.mark.parametrize("web", SERVERS, indirect=True)
def test_two_web_processes_are_summed_whichever_is_asked(web, caller, market):
    supervisor, address = web
    clients = [httpx.Client(base_url=f"http://{address}", headers=caller.headers) for _ in range(CONNECTIONS)]
    for number, client in enumerate(clients, 1):
        assert client.get("/v2/clock").status_code == 200
        assert client.post("/v2/orders", json=order(market, number)).status_code == 200
    port = int(address.rpartition(":")[2])
    assert min(connections_of(pid, port) for pid in pids(supervisor)) > 0
    for client in clients:
        client.close()
    for found in scrapes(address):
        assert found.requests("api-clock", "GET", "2xx") == CONNECTIONS
        assert found.requests("api-orders", "POST", "2xx") == CONNECTIONS
        assert found.value("portal_placement_batch_orders_sum") == CONNECTIONS
        assert found.value("portal_placement_queue_orders") == 0


async def test_what_a_killed_process_had_is_gone_and_what_it_counted_stays(web, session, market):
    supervisor, address = web
    for _ in range(CONNECTIONS):  # each on a connection of its own
        await asyncio.to_thread(httpx.get, f"http://{address}/healthz", timeout=30)
    before = await asyncio.to_thread(scraped, address, TOKEN)
    async with AsyncExitStack() as leave:
        query = f"symbols={market}"
        streams = [await leave.enter_async_context(streaming(address, session, query)) for _ in range(CONNECTIONS)]
        for stream in streams:
            await anext(stream)
        told = await asyncio.to_thread(scrapes, address)
        assert {found.value(READERS) for found in told} == {CONNECTIONS}
        kill(supervisor, "web-2")
        after = await asyncio.to_thread(scrapes, address)
        left = {found.value(READERS) for found in after}
    assert len(left) == 1
    assert 0 < left.pop() < CONNECTIONS
    counted = before.requests("healthz", "GET", "2xx")
    assert counted >= CONNECTIONS
    assert {found.requests("healthz", "GET", "2xx") for found in after} == {counted}


def test_however_often_a_process_starts_its_files_stay_the_same(web):
    supervisor, address = web
    scraped(address, TOKEN)
    files = sorted(supervisor.metrics.iterdir())
    assert {file.name for file in files} == {f"{kind}_{name}.db" for kind in SIZES for name in ("web", "web-2")}
    for _ in range(2):
        kill(supervisor, "web-2")
    assert sorted(supervisor.metrics.iterdir()) == files
    # On a full disk, a page that is first touched then ends the process.
    assert all(file.stat().st_blocks * 512 >= file.stat().st_size for file in files)
    assert {file.stat().st_mode & 0o077 for file in (supervisor.metrics,)} == {0}


def test_while_the_database_is_away_memory_still_tells():
    with socket.socket() as silent:
        silent.bind((HOST, 0))
        silent.listen()  # takes connections, and says nothing: a database that hangs
        hangs = f"postgres://nobody:nothing@{HOST}:{silent.getsockname()[1]}/none"
        for url in ("postgres://nobody:nothing@127.0.0.1:1/none", hangs):
            with testing.web_processes(environment(DATABASE_URL=url), server="uvicorn") as (supervisor, address):
                wait_until(lambda: answers(address))
                assert httpx.get(f"http://{address}/no-such-page", timeout=30).status_code == 404
                for _ in range(2):
                    begun = clock.monotonic()
                    found = scraped(address, TOKEN)
                    assert clock.monotonic() - begun < 10
                    assert found.value("portal_database_up") == 0
                    assert found.requests("not-found", "GET", "4xx") == 1
                    assert ("portal_placement_queue_orders", frozenset()) in found.samples
                    for name in ("portal_venue_messages_due", "portal_venue_breaker", "portal_relay_lag_seconds"):
                        assert not any(name == told for told, _ in found.samples)
                os.kill(pids(supervisor)[0], signal.SIGKILL)  # what waits for a database that hangs does not stop


def test_a_process_without_a_place_for_its_metrics_serves_and_keeps_them_to_itself(tmp_path):
    full = tmp_path / "full"
    full.write_text("no folder")
    program = (
        "import django; django.setup()\n"
        "from django.conf import settings\n"
        "from orders.services.metrics import QUEUE_FULL\n"
        "QUEUE_FULL.inc(3)\n"
        "from django.test import Client\n"
        "answer = Client().get('/metrics', headers={'authorization': f'Bearer {settings.METRICS_TOKEN}'})\n"
        "print(answer.status_code)\n"
    )
    told = environment(**metering.environment(full, "web"))
    done = subprocess.run([sys.executable, "-c", program], env=told, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "200"), done.stderr


def test_a_fork_does_not_write_where_its_parent_does(tmp_path):
    metering.begin(tmp_path / "metrics")
    program = (
        "import django, os; django.setup()\n"
        "from orders.services.metrics import QUEUE_FULL\n"
        "QUEUE_FULL.inc(3)\n"
        "if child := os.fork():\n"
        "    os.waitpid(child, 0)\n"
        "QUEUE_FULL.inc(1)\n"
        "if child:\n"
        "    from django.conf import settings\n"
        "    from prometheus_client.multiprocess import MultiProcessCollector\n"
        "    files = [str(file) for file in settings.METRICS_DIR.glob('counter_*.db')]\n"
        "    found = {metric.name: metric.samples for metric in MultiProcessCollector.merge(files)}\n"
        "    print(len(files), found['portal_placement_queue_full'][0].value)\n"
    )
    told = environment(**metering.environment(tmp_path / "metrics", "worker"))
    done = subprocess.run([sys.executable, "-c", program], env=told, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "2 5.0", done.stderr
