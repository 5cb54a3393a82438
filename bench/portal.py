"""Start a portal of the bench's own, and give it accounts that may trade without end."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from trading_portal.running.testing import running_portal

ROOT = Path(__file__).parent.parent
NO_LIMIT = {"PORTAL_API_ORDERS_PER_MINUTE": "100000000", "PORTAL_API_REQUESTS_PER_MINUTE": "100000000"}
START_SECONDS = 300.0
VENUE, SICK = "paper", "paper2"
ON_ITS_WAY = """
SELECT count(*) FROM orders_venueintent WHERE state IN ('due', 'sent') AND due_at <= now() AND venue = %s
"""


@dataclass(frozen=True)
class BenchPortal:
    """A running portal: its portal.json, the keys of its bench accounts, what they trade in and where.

    `sick` is a second venue, which hangs where a program asks for one.
    """

    facts: dict[str, Any]
    keys: list[tuple[str, str]]
    stock: str = "AAPL"
    coin: str = "SOL/USD"
    venue: str = VENUE
    sick: str = SICK

    @property
    def trader(self) -> tuple[str, str]:
        """Return the API key of the demo trader."""
        return self.facts["api"]["key_id"], self.facts["api"]["secret_key"]

    def manage(self, *arguments: str) -> str:
        """Run a program of this folder inside Django, as the portal's own role."""
        environment = {
            **os.environ,
            "DATABASE_URL": self.facts["database_url"],
            "REDIS_URL": self.facts["redis_url"],
            "PORTAL_SECRET_KEY": "bench" * 16,
            "DJANGO_SETTINGS_MODULE": "trading_portal.settings",
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{arguments[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done.stdout

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds that each process has used so far, and this one, as the client."""
        return {**cpu_seconds(self.facts["pids"]), "client": time.process_time()}

    def cpu_since(self, before: dict[str, float]) -> dict[str, float]:
        """Return the CPU seconds that each process, and the client, has used since `cpu()` gave `before`."""
        return used_between(before, self.cpu())

    async def quiet(self, seconds: float = 60.0) -> None:
        """Wait until nothing is on its way to or from the venue: what was accepted is worked off."""
        with psycopg.connect(self.facts["database_url"], autocommit=True) as connection:
            for _ in range(int(seconds * 10)):
                row = connection.execute(ON_ITS_WAY, [self.venue]).fetchone()
                if row and row[0] == 0:
                    return
                await asyncio.sleep(0.1)


@contextmanager
def bench_portal(*, accounts: int, server: str, **environment: str) -> Iterator[BenchPortal]:
    """Run a portal under daphne or uvicorn, with bench accounts, until the block ends."""
    with running_portal(seconds=START_SECONDS, PORTAL_ASGI=server, **NO_LIMIT, **environment) as facts:
        made = BenchPortal(facts, []).manage("bench/inside/provision.py", str(accounts))
        yield BenchPortal(facts, [(key, secret) for key, secret in json.loads(made)])


def cpu_seconds(pids: dict[str, int]) -> dict[str, float]:
    """Return the CPU seconds each process of a portal has used, its children included."""
    ticks = os.sysconf("SC_CLK_TCK")
    children: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.name))
        used[int(entry.name)] = sum(int(value) for value in fields[11:15]) / ticks

    def total(pid: int) -> float:
        return used.get(pid, 0.0) + sum(total(child) for child in children.get(pid, []))

    return {name: total(pid) for name, pid in pids.items() if name != "supervisor"}


def used_between(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Return the CPU seconds each process used between two readings, never less than none.

    A reading looks at one process after the other: a child that ends meanwhile stands in neither its own nor its
    parent's figure.
    """
    return {name: max(0.0, used - before.get(name, 0.0)) for name, used in after.items()}
