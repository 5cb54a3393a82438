"""Serve the floor: as many sockets get the same bytes from a loop that knows nothing but how to write them.

It answers any upgrade or stream request, then writes to a fiftieth of its sockets fifty times a second the frame that
its input gave, with the time of that moment in the place of every stamp.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import struct
import sys
import time
from datetime import UTC, datetime
from typing import cast

import uvloop

TURNS = 50
KEY = re.compile(rb"Sec-WebSocket-Key: (\S+)\r\n", re.IGNORECASE)
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
STAMP = b"@STAMP@"


def wrapped(kind: str, body: bytes) -> bytes:
    """Return a body as it stands on the wire."""
    if kind == "sse":
        data = b"data: " + body + b"\n\n"
        return b"%x\r\n%b\r\n" % (len(data), data)
    return struct.pack("!BBH", 0x81, 126, len(body)) + body if len(body) > 125 else bytes([0x81, len(body)]) + body


class Bare(asyncio.Protocol):
    """A socket: a slot and a handshake."""

    __slots__ = ("_kind", "_slots", "_snapshot", "transport")

    def __init__(self, kind: str, snapshot: bytes, slots: list[set[asyncio.Transport]]) -> None:
        self._kind = kind
        self._snapshot = snapshot
        self._slots = slots

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Know the socket."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer the request, and a WebSocket's first message, by the snapshot."""
        if data.startswith(b"GET") and self._kind == "ws":
            found = KEY.search(data)
            assert found
            accept = base64.b64encode(hashlib.sha1(found[1] + GUID).digest())
            head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            self.transport.write(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
            return
        if data.startswith(b"GET"):
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            self.transport.write(head)
        self.transport.write(self._snapshot)
        min(self._slots, key=len).add(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the socket."""
        for slot in self._slots:
            slot.discard(self.transport)


async def serve(kind: str, port: int, quotes: bytes, rate: int) -> None:
    """Serve until ended."""
    slots: list[set[asyncio.Transport]] = [set() for _ in range(TURNS // rate)]
    snapshot = wrapped(kind, b'{"type":"snapshot","ch":"quotes","seq":0,"quotes":' + quotes + b"}")
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: Bare(kind, snapshot, slots), "127.0.0.1", port, backlog=4096)
    turn, due_at = 0, loop.time()
    while True:
        turn, due_at = turn + 1, max(due_at + 1 / TURNS, loop.time() - 0.2)
        await asyncio.sleep(due_at - loop.time())
        sequence = turn // len(slots)
        stamped = quotes.replace(STAMP, datetime.fromtimestamp(time.time(), UTC).isoformat().encode())
        head = b'{"type":"delta","ch":"quotes","seq":%d,"prev":%d,"quotes":' % (sequence + 1, sequence)
        frame = wrapped(kind, head + stamped + b"}")
        for transport in slots[turn % len(slots)]:
            transport.write(frame)


def main() -> None:
    """Serve what the first line of the input says."""
    order = json.loads(sys.stdin.readline())
    uvloop.run(serve(order["kind"], order["port"], order["quotes"].encode(), order["rate"]))


if __name__ == "__main__":
    main()
