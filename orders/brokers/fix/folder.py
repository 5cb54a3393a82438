"""Keep a FIX session's message store on disk, a folder of its own for every process that takes the session over."""

from __future__ import annotations

import shutil
from pathlib import Path

_PREFIX = "g"
_KEPT = 2


def session_folder(root: Path, venue: str, generation: int) -> Path:
    """Return the folder of this generation, begun with what the one before left.

    A process that was stopped and wakes up again goes on writing to its own, where nobody reads any more.
    """
    home = root / venue
    folder = home / f"{_PREFIX}{generation}"
    if not folder.exists():
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        earlier = _earlier(home, generation)
        fresh = home / f".{folder.name}"
        shutil.rmtree(fresh, ignore_errors=True)
        if earlier:
            shutil.copytree(earlier[-1], fresh)
        else:
            fresh.mkdir(mode=0o700)
        fresh.rename(folder)
        for old in earlier[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
    return folder


def _earlier(home: Path, generation: int) -> list[Path]:
    numbered = [(int(found.name[1:]), found) for found in home.glob(f"{_PREFIX}[0-9]*") if found.name[1:].isdigit()]
    return [found for number, found in sorted(numbered) if number < generation]
