"""Show progress on the terminal, a line for each step with the time it took."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator


def say(line: str = "") -> None:
    """Print a line at once; a terminal that went away is no reason to stop."""
    with contextlib.suppress(OSError, ValueError):
        print(line, flush=True)


class Step:
    """Hold what a step wants to say at its end."""

    def __init__(self) -> None:
        self.note = ""


@contextlib.contextmanager
def step(title: str) -> Iterator[Step]:
    """Print a step's title, and at its end its time and its note."""
    started = time.monotonic()
    this = Step()
    with contextlib.suppress(OSError, ValueError):
        print(f"  {title:.<34} ", end="", flush=True)
    try:
        yield this
    except BaseException:
        say("failed")
        raise
    say(f"{time.monotonic() - started:5.1f} s  {this.note}".rstrip())


def fail(problem: object) -> None:
    """Print a problem where errors go."""
    with contextlib.suppress(OSError, ValueError):
        print(f"\n{problem}", file=sys.stderr, flush=True)
