"""A small HTTP/1.1 load client: keep-alive sockets on one loop, nothing measured twice.

It shares the machine with what it measures, so it does no more than it must: one protocol a connection, no streams.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass
class LoadResult:
    """What one load run saw: latencies in seconds, counts by HTTP status; `begun_at` is by the database's clock."""

    seconds: float
    latencies: list[float] = field(repr=False)
    statuses: dict[int, int]
    first_refusal: str
    accepted: int = 0
    begun_at: float = 0.0

    @property
    def per_second(self) -> float:
        """Return accepted orders per second."""
        return self.accepted / self.seconds

    def percentile(self, percent: float) -> float:
        """Return a latency percentile in milliseconds."""
        return percentile(self.latencies, percent) * 1000


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile of values, 0 for none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Return minimum, median and maximum."""
    return min(values), statistics.median(values), max(values)


class Connection(asyncio.Protocol):
    """One keep-alive connection that sends a request and reads its answer."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Resolve what is asked for as soon as its answer is whole."""
        self._received += data
        answer = _whole_answer(self._received)
        if answer is not None and self._answer is not None and not self._answer.done():
            self._received.clear()
            self._answer.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        """Fail what is asked for."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("the server hung up"))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; return status and body."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


def _whole_answer(received: bytearray) -> tuple[int, bytes] | None:
    """Return status and body once all of an answer is there."""
    head = received.find(b"\r\n\r\n")
    if head < 0:
        return None
    status, rest = int(received[9:12]), head + 4
    sized = _LENGTH.search(received, 0, rest)
    if sized is not None:
        end = rest + int(sized.group(1))
        return (status, bytes(received[rest:end])) if len(received) >= end else None
    if status in (204, 304):
        return status, b""
    body = b""
    while (line := received.find(b"\r\n", rest)) >= 0:
        size = int(received[rest:line], 16)
        if len(received) < line + 4 + size:
            return None
        if size == 0:
            return status, body
        body += received[line + 2 : line + 2 + size]
        rest = line + 4 + size
    return None


async def connect(url: str) -> Connection:
    """Open a connection to a server on this machine."""
    parts = urlsplit(url)
    assert parts.hostname in ("127.0.0.1", "localhost"), "load goes to this machine only"
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, parts.hostname, parts.port or 80)
    return connection


def post(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Return a whole HTTP/1.1 POST request."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def get(path: str, headers: dict[str, str]) -> bytes:
    """Return a whole HTTP/1.1 GET request."""
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def _accepted(status: int, body: bytes) -> int:
    """Return how many orders an answer accepts: one, or what a bulk answer counts."""
    if status != 200:
        return 0
    counted = re.search(rb'"accepted":(\d+)', body)
    return int(counted.group(1)) if counted else 1


async def _worker(
    connection: Connection, requests: Iterator[bytes], until: float, result: LoadResult, due: Callable[[], float]
) -> None:
    for request in requests:
        if time.perf_counter() >= until:
            break
        # Due after the end: as many connections as wait would send as many requests more, seconds later at a low rate.
        if (begun := due()) >= until:
            break
        if (wait := begun - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
            begun = time.perf_counter()
        status, body = await connection.ask(request)
        result.latencies.append(time.perf_counter() - begun)
        result.statuses[status] = result.statuses.get(status, 0) + 1
        count = _accepted(status, body)
        result.accepted += count
        if not count and not result.first_refusal:
            result.first_refusal = body[:600].decode(errors="replace")
    connection.close()


async def run_load(
    url: str, requests: Iterator[bytes], *, connections: int, seconds: float, rate: float | None = None
) -> LoadResult:
    """Send requests over many connections for some seconds; at a rate per second when one is given.

    A request at a rate that finds no connection free counts from when it was due.
    """
    opened = [await connect(url) for _ in range(connections)]
    result = LoadResult(0, [], {}, "", begun_at=time.time())
    begun = time.perf_counter()
    ticks = itertools.count()

    def due() -> float:
        return time.perf_counter() if rate is None else begun + next(ticks) / rate

    await asyncio.gather(*(_worker(each, requests, begun + seconds, result, due) for each in opened))
    result.seconds = time.perf_counter() - begun
    return result
