"""Our uvicorn writes to a WebSocket at once, says so when a reader has fallen behind, and can cut it off."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
import websockets

from trading_portal.running.files import allow_many_files
from trading_portal.running.uvicorn_server import configuration

LENGTHS = (1, 125, 126, 65_535, 65_536, 70_000)
ENOUGH = 2_000


class Application:
    """Write texts of many lengths; then, when asked to, write until the reader falls behind, and cut it off."""

    def __init__(self) -> None:
        self.written = 0
        self.has_refused = False
        self.line: dict[str, Callable[..., Any]] = {}

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.line = scope["extensions"]["portal.line"]
        assert not self.line["write"](b"before it is open")
        await receive()
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"<", "more_body": True})
        else:
            await send({"type": "websocket.accept"})
        for length in LENGTHS:
            while not self.line["write"](b"x" * length):
                await asyncio.sleep(0.01)
        if scope["type"] == "http":
            await send({"type": "http.response.body", "body": b">"})
            return
        if (await receive()).get("text") == "flood":
            self._flood()
        while (await receive())["type"] != "websocket.disconnect":
            pass

    def _flood(self) -> None:
        while self.written < ENOUGH and self.line["write"](b"x" * 50_000):
            self.written += 1
        self.has_refused = self.written < ENOUGH


@asynccontextmanager
async def serving(application: Application) -> AsyncIterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(configuration(application))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await task


async def test_texts_of_every_length_arrive_whole_and_uncompressed() -> None:
    async with serving(Application()) as address, websockets.connect(f"ws://{address}/") as connection:
        assert connection.protocol.extensions == []
        assert [len(await connection.recv()) for _ in LENGTHS] == list(LENGTHS)


async def test_a_body_is_written_in_pieces_and_ended() -> None:
    async with serving(Application()) as address, httpx.AsyncClient() as client:
        assert (await client.get(f"http://{address}/")).text == f"<{'x' * sum(LENGTHS)}>"


async def test_a_reader_that_does_not_read_is_told_of_and_can_be_cut_off() -> None:
    application = Application()
    async with serving(application) as address, asyncio.timeout(20):
        connection = await websockets.connect(f"ws://{address}/", max_queue=1, ping_interval=None)
        await connection.send("flood")
        while not application.has_refused:
            await asyncio.sleep(0.01)
        application.line["abort"]()
        with pytest.raises(websockets.ConnectionClosedError):
            while True:
                await connection.recv()
        assert not application.line["write"](b"after it was cut")


def test_a_server_may_open_all_the_files_it_is_allowed() -> None:
    assert allow_many_files() == allow_many_files() >= 256
