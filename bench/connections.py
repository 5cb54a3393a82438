"""Hold many live streams of prices, and measure how old a price is when it arrives.

    python -m bench.connections                                     # 1,000 WebSockets, uvicorn
    python -m bench.connections --connections 15000 --seconds 20
    python -m bench.connections --connections 50000 --servers 3     # where a process may have 20,000 files
    python -m bench.connections --kind sse --server daphne
    python -m bench.connections --connections 1000 4000 15000       # the growth

Web processes, streams and publisher share this machine's processors. The floor is a bare uvloop server that writes
the same bytes to as many sockets of the same client.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import resource
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.prices import PUBLICATIONS, UNIVERSE, Publisher, lists_of, quotes_text
from bench.report import Report
from bench.swarm import BUCKET_MS
from trading_portal.running.ports import HOST, free_port
from trading_portal.running.table import WEB
from trading_portal.running.testing import TestServers

ROOT = Path(__file__).parent.parent
PER_PERSON = 20
SPARE_FILES = 500
QUESTION = "How many live streams of ten prices are held, and how old are the prices on arrival?"
FIGURES = {
    "held": "", "lost": "", "gaps": "", "all open after": "s", "CPU to open one": "µs", "frames": "/s",
    "frames to each": "/s", "a frame": "bytes", "CPU of a frame": "µs", "CPU servers": "% of a core",
    "CPU clients": "% of a core", "memory of one": "kB", "memory servers": "MB",
}  # fmt: skip
PERCENTILES = (50, 95, 99, 99.9, 100)
AIMED_AT = 99
AIMS = ((50_000, 1000.0), (0, 100.0))
"""From how many connections on, which p99 in milliseconds is aimed at."""

Result = dict[str, Any]


class Child:
    """A process of the bench that answers lines with lines."""

    def __init__(
        self, name: str, command: list[str], environment: dict[str, str], first: object = None, log: int | None = None
    ) -> None:
        self.name = name
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        self.pid = self._process.pid
        if first is not None:
            self.say(json.dumps(first))

    def say(self, line: str = "") -> None:
        """Write a line to it."""
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Return its next line; raise when it has ended."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def usage(self) -> tuple[float, int]:
        """Return the CPU seconds it has used and the bytes of memory it holds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        ticks = os.sysconf("SC_CLK_TCK")
        return (int(fields[11]) + int(fields[12])) / ticks, pages * resource.getpagesize()

    def end(self) -> None:
        """Kill it: it holds nothing of worth."""
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def environment_of_servers() -> Iterator[dict[str, str]]:
    """Give the environment of a portal's programs: that of this process's own servers where it names some."""
    if "DATABASE_URL" in os.environ and "REDIS_URL" in os.environ:
        yield {**os.environ, "PYTHONPATH": str(ROOT)}
        return
    servers = TestServers()
    servers.start()
    try:
        servers.migrate()
        yield {**os.environ, **servers.environment, "PYTHONPATH": str(ROOT)}
    finally:
        servers.stop()


def wait_for_port(port: int, child: Child) -> None:
    """Wait until a child listens."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{child.name} does not listen")


@contextlib.contextmanager
def web_servers(given: argparse.Namespace, environment: dict[str, str], count: int) -> Iterator[dict[int, Child]]:
    """Run web processes, as a portal would, each on a port of its own."""
    found: dict[int, Child] = {}
    with contextlib.ExitStack() as leave:
        for number in range(count):
            port = free_port()
            command = [sys.executable, *(part.format(port=port) for part in WEB[given.server])]
            found[port] = Child(
                f"web {number + 1}", command, environment | {"PORTAL_PORT": str(port)}, log=subprocess.DEVNULL
            )
            leave.callback(found[port].end)
        for port, child in found.items():
            wait_for_port(port, child)
        yield found


@contextlib.contextmanager
def bare_servers(given: argparse.Namespace, environment: dict[str, str], count: int) -> Iterator[dict[int, Child]]:
    """Run as many bare servers."""
    found: dict[int, Child] = {}
    with contextlib.ExitStack() as leave:
        for number in range(count):
            port = free_port()
            order = {"kind": given.kind, "port": port, "quotes": quotes_text(), "rate": given.rate}
            found[port] = Child(f"bare {number + 1}", [sys.executable, "-m", "bench.bare_server"], environment, order)
            leave.callback(found[port].end)
        for port, child in found.items():
            wait_for_port(port, child)
        yield found


def swarms(given: argparse.Namespace, size: int, ports: list[int], cookies: list[str]) -> list[Child]:
    """Start the clients: each a process with an address of its own, for files and ports are bounded per process."""
    count = len(ports)
    share = [size // count + (number < size % count) for number in range(count)]
    lists = lists_of(given.lists or size)
    found, begun = [], 0
    for number, part in enumerate(share):
        order = {
            "kind": given.kind,
            "ports": [ports[number]],
            "source": f"127.0.0.{number + 2}",
            "count": part,
            "cookies": cookies[begun // PER_PERSON :][: math.ceil(part / PER_PERSON) + 1],
            "lists": lists,
            "rate": given.rate,
        }
        begun += part
        command = [sys.executable, "-m", "bench.swarm"]
        found.append(Child(f"client {number + 1}", command, {**os.environ, "PYTHONPATH": str(ROOT)}, order))
    return found


@contextlib.contextmanager
def profiled(given: argparse.Namespace, child: Child) -> Iterator[None]:
    """Let py-spy look at a web process of this run meanwhile, where a file for it was named."""
    if given.profile is None or not child.name.startswith("web"):
        yield
        return
    seconds = str(max(1, int(given.seconds) - 1))
    spy = subprocess.Popen(
        ["py-spy", "record", "-d", seconds, "-r", "200", "-f", "raw", "-o", given.profile, "-p", str(child.pid)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    yield
    spy.wait()


def percentile(ages: Counter[int], percent: float) -> float:
    """Return a percentile in milliseconds of a histogram."""
    left = sum(ages.values()) * percent / 100
    for bucket in sorted(ages):
        left -= ages[bucket]
        if left <= 0:
            return bucket * BUCKET_MS
    return math.nan


def measure(
    given: argparse.Namespace, size: int, servers: dict[int, Child], cookies: list[str], publisher: Publisher
) -> Result:
    """Open all, then let prices begin, and measure for some seconds.

    What just holds so many has no time left to open them meanwhile.
    """
    publisher.may_publish.clear()
    resting = {child.name: child.usage() for child in servers.values()}
    clients = swarms(given, size, list(servers), cookies)
    try:
        ramps = [client.hear() for client in clients]
        print(f"{size:,} opened in {max(answer['seconds'] for answer in ramps):.1f} s", flush=True)
        publisher.may_publish.set()
        time.sleep(given.settle)
        for client in clients:
            client.say()
        before = [client.hear() for client in clients]
        used = {child.name: child.usage()[0] for child in (*servers.values(), *clients)}
        with profiled(given, next(iter(servers.values()))):
            time.sleep(given.seconds)
        for client in clients:
            client.say()
        after = [client.hear() for client in clients]
        now = {child.name: child.usage() for child in (*servers.values(), *clients)}
    finally:
        for client in clients:
            client.end()
    ages: Counter[int] = Counter()
    for answer in after:
        ages.update({int(bucket): count for bucket, count in answer["ages"].items()})
    seconds = sum(a["seconds"] - b["seconds"] for a, b in zip(after, before, strict=True)) / len(after)
    grown = sum(now[child.name][1] - resting[child.name][1] for child in servers.values())
    frames = sum(answer["frames"] for answer in after)
    live = sum(answer["live"] for answer in after)
    serving = sum(now[child.name][0] - used[child.name] for child in servers.values())
    opening = sum(used[child.name] - resting[child.name][0] for child in servers.values())
    return {
        "held": live,
        "lost": sum(answer["lost"] for answer in after),
        "why_lost": [why for answer in after for why in answer["refused"]],
        "all open after": max(answer["seconds"] for answer in ramps),
        "CPU to open one": 1e6 * opening / max(1, live),
        "frames": frames / seconds,
        "frames to each": frames / seconds / max(1, live),
        "a frame": sum(answer["volume"] for answer in after) / max(1, frames),
        "gaps": sum(answer["gaps"] for answer in after),
        "ages": ages,
        "CPU servers": 100 * serving / seconds,
        "CPU of a frame": 1e6 * serving / max(1, frames),
        "CPU clients": 100 * sum(now[c.name][0] - used[c.name] for c in clients) / seconds,
        "memory of one": grown / max(1, live) / 1000,
        "memory servers": sum(now[child.name][1] for child in servers.values()) / 1e6,
    }


def tell(report: Report, size: int, hubs: list[Result], floors: list[Result]) -> None:
    """Add the figures of one number of connections, a value a round."""
    place: dict[str, Any] = {"at": size, "along": "connections"}
    aim = next((most for least, most in AIMS if size >= least), None)
    for name, unit in FIGURES.items():
        values = [result[name] for result in hubs]
        report.add(name, values, unit=unit, floor=[result[name] for result in floors], **place)
    for percent in PERCENTILES:
        ages, below = [percentile(r["ages"], percent) for r in hubs], [percentile(r["ages"], percent) for r in floors]
        bound = aim if percent == AIMED_AT else None
        report.add(f"age on arrival p{percent:g}", ages, unit="ms", floor=below, aim=bound, **place)
    for why in {reason for result in (*hubs, *floors) for reason in result["why_lost"]}:
        report.note(f"At {size:,} connections some were lost: {why}.")


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, nargs="+", default=[1000], help="one number, or some for a growth")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--settle", type=float, default=2.0)
    parser.add_argument("--kind", choices=("ws", "sse"), default="ws")
    parser.add_argument("--server", choices=tuple(WEB), default="uvicorn")
    parser.add_argument("--servers", type=int, default=0, help="web processes; as few as may have the files by default")
    parser.add_argument("--lists", type=int, default=50, help="different lists of symbols; 0 gives each its own")
    parser.add_argument("--rate", type=int, default=1, help="frames a second")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--no-floor", action="store_true")
    # `make bench` hands its words to every program; whoever reads prices needs no account.
    parser.add_argument("--accounts", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="where the results go")
    parser.add_argument("--profile", help="file for py-spy's raw stacks of a web process")
    return parser.parse_args()


def cookies_of(environment: dict[str, str], connections: int) -> list[str]:
    """Return the cookies of people enough for so many streams."""
    command = [sys.executable, "-m", "bench.people", str(math.ceil(connections / PER_PERSON) + len(UNIVERSE))]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    cookies: list[str] = json.loads(done.stdout)
    return cookies


def main() -> None:
    """Measure the hub and the floor by turns."""
    given = arguments()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    settings = {name: getattr(given, name) for name in ("kind", "seconds", "lists", "rate", "rounds")}
    report = Report(f"connections-{given.kind}", QUESTION, server=given.server, settings=settings)
    report.note(f"Prices are published {PUBLICATIONS} times a second, so the newest of a frame is up to 20 ms old.")
    report.note(f"A process may open {files:,} files here; there are as many web processes as that asks for.")
    with environment_of_servers() as environment:
        cookies = cookies_of(environment, max(given.connections))
        publisher = Publisher(environment["REDIS_URL"])
        publisher.start()
        for size in given.connections:
            count = given.servers or math.ceil(size / (files - SPARE_FILES))
            found: dict[Any, list[Result]] = {web_servers: [], bare_servers: []}
            kinds = [web_servers] if given.no_floor else [web_servers, bare_servers]
            for run in kinds * given.rounds:
                with run(given, environment, count) as servers:
                    found[run].append(measure(given, size, servers, cookies, publisher))
                    told = {name: round(found[run][-1][name], 2) for name in FIGURES}
                    print(f"{run.__name__} x {count}, {size:,} connections: {told}", flush=True)
            tell(report, size, found[web_servers], found[bare_servers])
        publisher.stop()
    report.finish(given.folder)


if __name__ == "__main__":
    main()
