"""Read the clock: the only place in the portal that does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta


class _Clock:
    """Hold an optional frozen instant, so that tests can step time."""

    def __init__(self) -> None:
        self.frozen_at: datetime | None = None


_clock = _Clock()


def now() -> datetime:
    """Return the current instant, aware, in UTC."""
    return _clock.frozen_at or datetime.now(UTC)


def milliseconds() -> int:
    """Return whole milliseconds since 1970 at the current instant."""
    if _clock.frozen_at is not None:
        return int(_clock.frozen_at.timestamp() * 1000)
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Return seconds on the monotonic clock, for time-outs and leases only."""
    return time.monotonic()


@contextmanager
def frozen(at: datetime) -> Iterator[None]:
    """Hold the clock of this process at an instant, until the block ends."""
    before = _clock.frozen_at
    _clock.frozen_at = at
    try:
        yield
    finally:
        _clock.frozen_at = before


def step(by: timedelta) -> datetime:
    """Move a frozen clock and return its new instant; raise RuntimeError on a running one."""
    if _clock.frozen_at is None:
        raise RuntimeError("Only a frozen clock can be stepped.")
    _clock.frozen_at += by
    return _clock.frozen_at
