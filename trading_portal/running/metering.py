"""Keep the metrics of a supervisor's processes in one folder: a file for each kind, under the process's name.

By name, not by number: what is started again counts on from where it was, and however often, nothing piles up.
"""

from __future__ import annotations

import shutil
from pathlib import Path

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The library's own variable: where it is set, values are kept in files there."""

NAME = "PORTAL_PROCESS"


def begin(folder: Path) -> None:
    """Empty the folder: a portal that starts counts from nothing."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)


def environment(folder: Path, name: str) -> dict[str, str]:
    """Return what a process is told of its place. The library takes names apart at underscores."""
    return {FOLDER: str(folder), NAME: _file_name(name)}


def ended(folder: Path, name: str) -> None:
    """Forget what was true only while a process lived; what it has counted stays."""
    for file in folder.glob(f"gauge_live*_{_file_name(name)}.db"):
        file.unlink(missing_ok=True)


def _file_name(name: str) -> str:
    return name.replace("_", "-")
