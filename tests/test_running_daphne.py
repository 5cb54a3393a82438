"""The web server makes a sender wait for a reader that does not read; Daphne alone would not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import websockets

from tests.flooding import ENOUGH
from trading_portal.running.daphne_server import PatientServer
from trading_portal.running.ports import HOST, free_port

ROOT = Path(__file__).parent.parent


@asynccontextmanager
async def serving(module: str) -> AsyncIterator[str]:
    port = free_port()
    command = [sys.executable, "-m", module, "-v", "0", "-b", HOST, "-p", str(port), "tests.flooding:application"]
    server = subprocess.Popen(command, cwd=ROOT)
    try:
        async with asyncio.timeout(20), httpx.AsyncClient() as client:
            while True:
                try:
                    await client.get(f"http://{HOST}:{port}/")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
        yield f"{HOST}:{port}"
    finally:
        server.kill()
        server.wait()


async def flood(address: str) -> tuple[int, bool]:
    """Connect, read one frame and no more; return how many frames went out and whether a send had to wait."""
    connection = await websockets.connect(f"ws://{address}/", max_queue=1, ping_interval=None)
    await connection.recv()
    async with asyncio.timeout(30), httpx.AsyncClient() as client:
        while True:
            frames, is_waiting = map(int, (await client.get(f"http://{address}/")).text.split())
            if is_waiting or frames >= ENOUGH:
                connection.transport.abort()
                return frames, bool(is_waiting)
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("module", "waits"), [("trading_portal.running.daphne_server", True), ("daphne", False)], ids=["ours", "control"]
)
async def test_a_send_waits_for_a_reader_that_does_not_read(module: str, waits: bool) -> None:
    async with serving(module) as address:
        frames, is_waiting = await flood(address)
    assert is_waiting is waits
    assert (frames < ENOUGH) is waits


async def test_a_body_in_pieces_waits_for_a_reader_that_does_not_read() -> None:
    async with serving("trading_portal.running.daphne_server") as address, httpx.AsyncClient(timeout=30) as client:
        async with client.stream("GET", f"http://{address}/flood") as answer:
            assert answer.status_code == 200
            is_waiting = 0
            while not is_waiting:
                frames, is_waiting = map(int, (await client.get(f"http://{address}/")).text.split())
                await asyncio.sleep(0.1)
            assert frames < ENOUGH
        # Whoever went away holds up nobody.
        assert (await client.get(f"http://{address}/")).status_code == 200


async def test_a_reader_that_reads_gets_everything() -> None:
    async with (
        serving("trading_portal.running.daphne_server") as address,
        websockets.connect(f"ws://{address}/", ping_interval=None) as connection,
        asyncio.timeout(60),
    ):
        for _ in range(ENOUGH):
            assert len(await connection.recv()) == 50_000


def test_a_content_type_is_read_once_and_as_before():
    script = (
        "from twisted.web import http; before = http._parseContentType;"
        "import trading_portal.running.daphne_server;"
        "lines = [b'application/json', b'multipart/form-data; boundary=x', b'', b'nonsense; =;', b'Application/JSON'];"
        "assert [http._parseContentType(each) for each in lines * 2] == [before(each) for each in lines * 2];"
        "print(http._parseContentType.cache_info().misses)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["5"]


@pytest.mark.parametrize("fails", [False, True])
async def test_what_was_answered_is_forgotten_at_once_and_what_failed_is_kept_to_be_told_of(fails: bool) -> None:
    answered = asyncio.Event()

    async def application(scope: object, receive: object, send: object) -> None:
        await answered.wait()
        if fails:
            raise LookupError

    server, request = PatientServer(application, endpoints=["tcp:0"]), object()
    server.connections = {}
    server.protocol_connected(request)
    server.create_application(request, {"type": "http"})
    server.protocol_disconnected(request)
    assert request in server.connections
    answered.set()
    await asyncio.sleep(0.01)
    assert (request in server.connections) is fails
    server.protocol_disconnected(request)
