"""An application that sends without end, and tells over HTTP how far it came before a send had to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

FRAME = "x" * 50_000
ENOUGH = 2_000  # a hundred megabytes: more than any socket buffer holds

sent = {"frames": 0, "is_waiting": 0}


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http" and scope["path"] == "/flood":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await _flood(lambda: send({"type": "http.response.body", "body": FRAME.encode(), "more_body": True}))
        await send({"type": "http.response.body", "body": b""})
        return
    if scope["type"] == "http":
        body = f"{sent['frames']} {sent['is_waiting']}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})
        return
    await receive()
    await send({"type": "websocket.accept"})
    await _flood(lambda: send({"type": "websocket.send", "text": FRAME}))
    if sent["is_waiting"]:
        await send({"type": "websocket.close", "code": 4408})


async def _flood(send_one: Callable[[], Awaitable[None]]) -> None:
    while sent["frames"] < ENOUGH:
        try:
            async with asyncio.timeout(1):
                await send_one()
        except TimeoutError:
            sent["is_waiting"] = 1
            return
        sent["frames"] += 1
