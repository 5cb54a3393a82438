"""Start a portal of the bench's own, and give it accounts that may trade without end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trading_portal.running.testing import running_portal

ROOT = Path(__file__).parent.parent
NO_LIMIT = {"PORTAL_API_ORDERS_PER_MINUTE": "100000000", "PORTAL_API_REQUESTS_PER_MINUTE": "100000000"}


@dataclass(frozen=True)
class BenchPortal:
    """A running portal and the keys of its bench accounts."""

    facts: dict[str, Any]
    keys: list[tuple[str, str]]

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


@contextmanager
def bench_portal(*, accounts: int, server: str) -> Iterator[BenchPortal]:
    """Run a portal under daphne or uvicorn, with bench accounts, until the block ends."""
    with running_portal(PORTAL_ASGI=server, **NO_LIMIT) as facts:
        made = BenchPortal(facts, []).manage("bench/provision.py", str(accounts))
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
