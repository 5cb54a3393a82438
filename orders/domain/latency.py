"""How long a venue takes to answer, and how long to wait for it: pure, no clock; `at` is monotonic seconds."""

from __future__ import annotations

from collections import deque
from math import ceil

WINDOW_SECONDS = 60.0
WINDOW_ANSWERS = 1_000
ENOUGH = 5
SLOW_SECONDS = 2.0
PATIENCE = (10.0, 30.0)
_TIMES = 5


class Latencies:
    """Keep the newest answers' delays, in seconds."""

    def __init__(self) -> None:
        self._answers: deque[tuple[float, float]] = deque(maxlen=WINDOW_ANSWERS)

    def add(self, seconds: float, at: float) -> None:
        """Note one answer."""
        self._answers.append((at, seconds))

    def p95(self, at: float) -> float | None:
        """Return what 95 of 100 answers of the last minute stayed below; None while there are too few."""
        while self._answers and self._answers[0][0] <= at - WINDOW_SECONDS:
            self._answers.popleft()
        if len(self._answers) < ENOUGH:
            return None
        delays = sorted(seconds for _, seconds in self._answers)
        return delays[ceil(len(delays) * 0.95) - 1]


def is_slow(p95: float | None) -> bool:
    """Tell whether somebody is to be told."""
    return p95 is not None and p95 > SLOW_SECONDS


def patience(p95: float | None, *, at_least: float = PATIENCE[0]) -> float:
    """Return how many seconds an answer is waited for before its outcome counts as unknown."""
    return min(max((p95 or 0.0) * _TIMES, at_least), PATIENCE[1])
