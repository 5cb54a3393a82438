"""Know processes by more than their number: a number is given again to others."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

MARK = "PORTAL_SUPERVISED"
PROC = Path("/proc")
_SET_PARENT_DEATH_SIGNAL = 1


def started_at(pid: int) -> str:
    """Return when a process started, in words of the system's own; empty when there is none."""
    if PROC.is_dir():
        with contextlib.suppress(OSError, IndexError):
            fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
            return "" if fields[0] == "Z" else fields[19]
        return ""
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def identity(pid: int) -> list[int | str]:
    """Return what tells this process from a later one with the same number."""
    return [pid, started_at(pid)]


def is_alive(who: object) -> bool:
    """Tell whether the process of an `identity` still runs."""
    match who:
        case [int(pid), str(started)] if started:
            return started_at(pid) == started
    return False


def working_in(folder: Path) -> list[int]:
    """Return the processes whose working folder is this one; without /proc, those that name it in their command."""
    if not PROC.is_dir():
        done = subprocess.run(["ps", "-axo", "pid=,command="], capture_output=True, text=True, check=False)
        return [int(line.split()[0]) for line in done.stdout.splitlines() if f"{folder}" in line]
    return _scan(lambda place: (place / "cwd").readlink() == folder)


def marked(mark: str) -> list[int]:
    """Return the processes that a supervisor started under this mark, and their children (Linux)."""
    needle = f"{MARK}={mark}".encode()
    return _scan(lambda place: needle in (place / "environ").read_bytes().split(b"\0"))


def _scan(matches: Callable[[Path], bool]) -> list[int]:
    found = []
    for place in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if matches(place) and int(place.name) != os.getpid() and started_at(int(place.name)):
                found.append(int(place.name))
    return found


def send(pids: Iterable[int], number: int) -> None:
    """Send a signal to processes; those that are gone or foreign are passed over."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def end(find: Callable[[], list[int]], *, politely: int = signal.SIGTERM, seconds: float = 5.0) -> bool:
    """End the processes that `find` returns, politely first; tell whether none is left."""
    send(find(), politely)
    deadline = time.monotonic() + seconds
    while find():
        if time.monotonic() > deadline:
            send(find(), signal.SIGKILL)
        if time.monotonic() > deadline + seconds:
            return False
        time.sleep(0.05)
    return True


def die_with_parent(number: int) -> Callable[[], None]:
    """Return what a child calls before exec, so that Linux signals it when its parent is gone."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    library = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def ask() -> None:
        library.prctl(_SET_PARENT_DEATH_SIGNAL, number, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask


def spawn(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    log: int,
    orphan_signal: int = signal.SIGKILL,
    pass_fds: Sequence[int] = (),
    user: int | None = None,
    group: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, which gets a signal when this one dies."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        pass_fds=pass_fds,
        user=user,
        group=group,
        extra_groups=None if user is None else [],
        preexec_fn=die_with_parent(orphan_signal),  # noqa: PLW1509 - a supervisor has no threads
    )


def listener_of(port: int) -> str:
    """Return who listens on a local port, as well as this user may know: `python3 (pid 123)`."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    for place in PROC.glob("[0-9]*") if inodes else ():
        with contextlib.suppress(OSError):
            if any(str(held.readlink()) in inodes for held in (place / "fd").iterdir()):
                return f"{(place / 'comm').read_text().strip()} (pid {place.name})"
    return "another program"
