"""Run the programs of this folder, all of them or those that are named; every other word goes to each of them.

    make bench
    make bench ARGS="single bulk --server uvicorn --rounds 1"

Each has a portal of its own, prints its table and writes it to PORTAL_DATA_DIR/bench, as text, JSON and picture.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parent
# In the order they run; other files here help them.
PROGRAMS = (
    "single",
    "bulk",
    "sustained",
    "alone",
    "decision",
    "live",
    "hung_venue",
    "reads",
    "connections",
    "rebuild",
    "growth",
)


def programs() -> list[str]:
    """Return the names of the programs that are here."""
    return [name for name in PROGRAMS if (FOLDER / f"{name}.py").is_file()]


def main(words: Sequence[str]) -> int:
    """Run what is named, else all; go on after one that fails; return how many failed."""
    known = programs()
    named = [word for word in words if word in known]
    others = [word for word in words if word not in known]
    if others and not others[0].startswith("-"):
        print(f"There is no program {others[0]!r}; there are: {', '.join(known)}.")
        return 2
    failed = []
    for name in named or known:
        print(f"\n== {name}", flush=True)
        command = [sys.executable, "-m", f"bench.{name}", *others]
        environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
        if subprocess.run(command, cwd=FOLDER.parent, env=environment, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nFailed: {', '.join(failed)}.")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
