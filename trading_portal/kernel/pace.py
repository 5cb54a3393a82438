"""Let a loop that works in batches rest between them, so that under load its batches grow."""

from __future__ import annotations

import threading

from trading_portal.kernel import clock

MOST_SECONDS = 0.1


class Pace:
    """Rest as long as the batch took, up to a limit.

    What a batch costs whatever its size, dozens of statements, is paid less often then, by loops that share two cores
    with those who wait for an answer. Whoever comes when nothing was going on waits for nothing.
    """

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._began_at = clock.monotonic()

    def begin(self) -> None:
        """Note that a batch begins."""
        self._began_at = clock.monotonic()

    def rest(self, at_least: float = 0.0) -> None:
        """Rest after a batch; not while stopping."""
        self._stopping.wait(max(min(clock.monotonic() - self._began_at, MOST_SECONDS), at_least))
