"""A small HTTP/1.1 load client: keep-alive sockets on one loop, nothing measured twice."""

from __future__ import annotations

import asyncio
import itertools
import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class LoadResult:
    """What one load run saw: latencies in seconds, counts by HTTP status."""

    seconds: float
    latencies: list[float] = field(repr=False)
    statuses: dict[int, int]
    first_refusal: str
    accepted: int = 0

    @property
    def per_second(self) -> float:
        """Return accepted orders per second."""
        return self.accepted / self.seconds

    def percentile(self, percent: float) -> float:
        """Return a latency percentile in milliseconds."""
        return percentile(self.latencies, percent) * 1000


def percentile(values: list[float], percent: float) -> float:
    """Return a percentile of values, 0 for none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def spread(values: list[float]) -> tuple[float, float, float]:
    """Return minimum, median and maximum."""
    return min(values), statistics.median(values), max(values)


class _Connection:
    """One keep-alive connection that sends a request and reads its answer."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection(*self._address)

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        lower = head.lower()
        start = lower.find(b"content-length:")
        if start >= 0:
            return status, await self.reader.readexactly(int(lower[start + 15 : lower.index(b"\r\n", start)]))
        body = b""
        while (size := int(await self.reader.readuntil(b"\r\n"), 16)) > 0:
            body += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)
        return status, body


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


def _accepted(status: int, body: bytes) -> int:
    """Return how many orders an answer accepts: one, or what a bulk answer counts."""
    if status != 200:
        return 0
    counted = re.search(rb'"accepted":(\d+)', body)
    return int(counted.group(1)) if counted else 1


async def _worker(
    connection: _Connection, requests: Iterator[bytes], until: float, result: LoadResult, pause: Callable[[], float]
) -> None:
    await connection.open()
    for request in requests:
        if time.perf_counter() >= until:
            break
        if (wait := pause()) > 0:
            await asyncio.sleep(wait)
        begun = time.perf_counter()
        status, body = await connection.ask(request)
        result.latencies.append(time.perf_counter() - begun)
        result.statuses[status] = result.statuses.get(status, 0) + 1
        count = _accepted(status, body)
        result.accepted += count
        if not count and not result.first_refusal:
            result.first_refusal = body[:600].decode(errors="replace")
    connection.writer.close()


async def run_load(
    url: str, requests: Iterator[bytes], *, connections: int, seconds: float, rate: float | None = None
) -> LoadResult:
    """Send requests over many connections for some seconds; at a rate per second when one is given."""
    parts = urlsplit(url)
    assert parts.hostname in ("127.0.0.1", "localhost"), "load goes to this machine only"
    result = LoadResult(0, [], {}, "")
    begun = time.perf_counter()
    ticks = itertools.count()

    def pause() -> float:
        return 0.0 if rate is None else begun + next(ticks) / rate - time.perf_counter()

    workers = [
        _worker(_Connection(parts.hostname, parts.port or 80), requests, begun + seconds, result, pause)
        for _ in range(connections)
    ]
    await asyncio.gather(*workers)
    result.seconds = time.perf_counter() - begun
    return result
