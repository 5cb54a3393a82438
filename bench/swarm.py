"""Hold many streams at once and note how old their prices are on arrival: one loop over epoll, nothing per stream.

The benchmark's other side shares the machine, so this reads no more of a frame than its sequence and its stamps. The
parent writes the order as JSON to standard input, later a line for each command; answers are lines of JSON.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import re
import resource
import select
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

STAMP = re.compile(rb'"received_at":"[^"]{11}(\d\d:\d\d:\d\d(?:\.\d+)?)')
DELTA = b'"delta","ch":"quotes","seq":'
SNAPSHOT = re.compile(rb'"snapshot","ch":"quotes","seq":(\d+)')
PING = re.compile(rb"\x89([\x04\x0c])")
# How a whole frame of quotes, an answer or heartbeat, and a server-sent event end; nothing inside of them does.
ENDS = (b"}}}", b"{}}", b'"}', b"\n\n\r\n")
AT_ONCE = 100
DAY = 86_400.0
BUCKET_MS = 0.25
RECEIVE_BYTES = 262_144


@dataclass(frozen=True)
class Order:
    """What to hold: `symbols` and a cookie for each stream, in turn."""

    kind: str
    ports: list[int]
    source: str
    count: int
    cookies: list[str]
    lists: list[list[str]]
    rate: int


@dataclass
class Seen:
    """What arrived since it was last asked."""

    frames: int = 0
    volume: int = 0
    gaps: int = 0
    ages: Counter[int] = field(default_factory=Counter)


class Stream:
    """One connection and how far it is."""

    __slots__ = ("begin", "is_live", "left", "sequence", "sock")

    def __init__(self, sock: socket.socket, begin: list[bytes]) -> None:
        self.sock = sock
        self.begin = begin
        self.left = b""
        self.sequence = 0
        self.is_live = False


def masked(text: bytes, opcode: int = 0x81) -> bytes:
    """Return a client's frame; with a key of zeros the text needs no turning over."""
    head = struct.pack("!BB", opcode, 0x80 | len(text)) if len(text) < 126 else struct.pack(
        "!BBH", opcode, 0x80 | 126, len(text)
    )  # fmt: skip
    return head + b"\0\0\0\0" + text


def opening(order: Order, number: int, port: int) -> list[bytes]:
    """Return what a stream says first, and what it says when that is answered."""
    symbols = order.lists[number % len(order.lists)]
    head = f"Host: 127.0.0.1:{port}\r\nCookie: {order.cookies[number % len(order.cookies)]}\r\n"
    if order.kind == "sse":
        query = f"symbols={','.join(symbols)}&rate={order.rate}"
        return [f"GET /prices/stream?{query} HTTP/1.1\r\n{head}Accept: text/event-stream\r\n\r\n".encode()]
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = (
        f"GET /ws HTTP/1.1\r\n{head}Origin: http://127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    )
    wish = json.dumps({"op": "subscribe", "id": 1, "ch": "quotes", "syms": symbols, "rate": order.rate})
    return [upgrade.encode(), masked(wish.encode())]


class Swarm:
    """Many streams on one epoll."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.seen = Seen()
        self.live = 0
        self.lost = 0
        self.refused: Counter[str] = Counter()
        self._begun = 0
        self._on_way = 0
        self._streams: dict[int, Stream] = {}
        self._epoll = select.epoll()
        self._epoll.register(0, select.EPOLLIN)
        self._buffer = bytearray(RECEIVE_BYTES)
        self._view = memoryview(self._buffer)

    def run(self, until: Callable[[], bool]) -> bool:
        """Read until a condition holds; return False when the parent says something before."""
        receive = self._receive
        while not until():
            self._begin_more()
            for descriptor, events in self._epoll.poll(0.05, 2048):
                if descriptor == 0:
                    return False
                if events & select.EPOLLOUT:
                    self._connected(descriptor)
                else:
                    receive(descriptor)
        return True

    def _begin_more(self) -> None:
        while self._begun < self.order.count and self._on_way < AT_ONCE:
            port = self.order.ports[self._begun % len(self.order.ports)]
            sock = socket.socket()
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
            sock.bind((self.order.source, 0))
            code = sock.connect_ex(("127.0.0.1", port))
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
            self._streams[sock.fileno()] = Stream(sock, opening(self.order, self._begun, port))
            self._epoll.register(sock.fileno(), select.EPOLLOUT)
            self._begun += 1
            self._on_way += 1

    def _connected(self, descriptor: int) -> None:
        stream = self._streams[descriptor]
        if code := stream.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._lose(stream, os.strerror(code))
            return
        stream.sock.send(stream.begin.pop(0))
        self._epoll.modify(descriptor, select.EPOLLIN)

    def _receive(self, descriptor: int) -> None:
        stream = self._streams[descriptor]
        try:
            count = stream.sock.recv_into(self._buffer)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(stream, error.strerror or "reset")
            return
        if not count:
            self._lose(stream, "closed")
            return
        self.seen.volume += count
        data = bytes(self._view[:count])
        if not stream.is_live:
            self._begin(stream, data)
        elif count > 100 or stream.left:
            self._read(stream, data)
        for ping in PING.finditer(data):
            length = ping[1][0]
            stream.sock.send(masked(data[ping.end() : ping.end() + length], 0x8A))

    def _begin(self, stream: Stream, data: bytes) -> None:
        """Answer the greeting with the subscription; the snapshot makes a stream live."""
        data = stream.left + data
        if not data.startswith((b"HTTP/1.1 101", b"HTTP/1.1 200")) and stream.sequence == 0:
            self._lose(stream, data[:40].decode("latin-1"))
            return
        if b"\r\n\r\n" in data and stream.begin:
            stream.sock.send(stream.begin.pop(0))
        found = SNAPSHOT.search(data)
        if found is None or not data.endswith(ENDS):
            stream.left = data
            return
        stream.left = b""
        stream.sequence = int(found[1])
        stream.is_live = True
        self.live += 1
        self._on_way -= 1

    def _read(self, stream: Stream, data: bytes) -> None:
        """Note every frame of a piece; half a frame waits for the rest."""
        data = stream.left + data
        if not data.endswith(ENDS):
            stream.left = data
            return
        stream.left = b""
        now = time.time() % DAY
        seen = self.seen
        for frame in data.split(DELTA)[1:]:
            sequence, _, rest = frame.partition(b',"prev":')
            seen.frames += 1
            seen.gaps += int(rest[: rest.index(b",")]) != stream.sequence
            stream.sequence = int(sequence)
            newest = max(STAMP.findall(rest))
            age = now - (int(newest[:2]) * 3600 + int(newest[3:5]) * 60 + float(newest[6:]))
            seen.ages[int(age * 1000 / BUCKET_MS)] += 1

    def _lose(self, stream: Stream, why: str) -> None:
        self._epoll.unregister(stream.sock.fileno())
        del self._streams[stream.sock.fileno()]
        stream.sock.close()
        self.refused[why] += 1
        self.lost += 1
        if stream.is_live:
            self.live -= 1
        else:
            self._on_way -= 1


def tell(swarm: Swarm, begun: float) -> None:
    """Answer the parent with what was seen, and begin anew."""
    seen, swarm.seen = swarm.seen, Seen()
    usage = os.times()
    answer = {
        "live": swarm.live,
        "lost": swarm.lost,
        "refused": dict(swarm.refused.most_common(5)),
        "seconds": time.perf_counter() - begun,
        "cpu": usage.user + usage.system,
        "frames": seen.frames,
        "volume": seen.volume,
        "gaps": seen.gaps,
        "ages": seen.ages,
    }
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Begin the streams, say when they stand, then tell at each line from the parent; end with its input."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    swarm = Swarm(Order(**json.loads(sys.stdin.readline())))
    begun = time.perf_counter()
    swarm.run(lambda: swarm.live + swarm.lost >= swarm.order.count)
    tell(swarm, begun)
    while True:
        swarm.run(lambda: False)
        if not os.read(0, 1000):
            return
        tell(swarm, begun)


if __name__ == "__main__":
    main()
