"""Keep a process's log within bounds while the process goes on writing to it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

LIMIT_BYTES = 10_000_000
KEPT = 3


def open_log(path: Path) -> int:
    """Open a log to append to; several writers may hold it."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def rotate(path: Path, limit: int = LIMIT_BYTES, kept: int = KEPT) -> bool:
    """Copy a log that grew too long aside and begin it anew; tell whether it was done.

    Copied and emptied, not renamed: its writers keep their open file, and append at the new end.
    """
    if not path.exists() or path.stat().st_size <= limit:
        return False
    for number in range(kept - 1, 0, -1):
        older = path.with_suffix(f".log.{number}")
        if older.exists():
            older.replace(path.with_suffix(f".log.{number + 1}"))
    shutil.copyfile(path, path.with_suffix(".log.1"))
    path.with_suffix(".log.1").chmod(0o600)
    os.truncate(path, 0)
    return True


def tail(path: Path, lines: int = 12) -> list[str]:
    """Return the last lines of a log."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 20_000))
        return file.read().decode(errors="replace").splitlines()[-lines:]
