"""A circuit breaker for one venue: pure, no clock and no storage; `at` is monotonic seconds.

Of the libraries looked at, pybreaker awaits only through Tornado and aiobreaker is no longer kept; they, purgatory and
circuitbreaker count failures in a row and nothing else, let any number of callers probe at once, and guard one call
where it is made: none can be read in the transaction that stores an order. Hence these few lines.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

FAILURES_IN_A_ROW = 5
WINDOW_SECONDS = 10.0
WINDOW_CALLS = 10
PROBE_SECONDS = 30.0
SUCCESSES_TO_CLOSE = 2


class BreakerState(StrEnum):
    """Say whether a venue is spoken to: as ever, not at all, or one message at a time to see whether it answers."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Line(StrEnum):
    """Say what a venue was called for: one that answers questions may still not take orders."""

    SEND = "send"
    ASK = "ask"


@dataclass(slots=True)
class Breaker:
    """Open after failures in a row, or when half of the last calls failed; probe, and close after successes.

    A success counts for its own line: what opened because nothing could be sent closes when something was.
    """

    state: BreakerState = BreakerState.CLOSED
    opened_by: Line = Line.ASK
    probe_at: float = 0.0
    successes: int = 0
    cause: str = ""
    _in_a_row: dict[Line, int] = field(default_factory=lambda: dict.fromkeys(Line, 0))
    _calls: deque[tuple[float, bool]] = field(default_factory=deque)

    def succeeded(self, line: Line, at: float) -> bool:
        """Note a call that was answered; tell whether the state changed."""
        self._note(at, is_failure=False)
        self._in_a_row[line] = 0
        if self.state is not BreakerState.HALF_OPEN or (line is Line.ASK and self.opened_by is Line.SEND):
            return False
        self.successes += 1
        if self.successes < SUCCESSES_TO_CLOSE:
            return False
        self._forget()
        self.state, self.cause = BreakerState.CLOSED, ""
        return True

    def failed(self, line: Line, at: float, cause: str = "") -> bool:
        """Note a call that was not answered; tell whether the state changed."""
        self._note(at, is_failure=True)
        self._in_a_row[line] += 1
        if self.state is BreakerState.OPEN:
            return False
        is_enough = self._in_a_row[line] >= FAILURES_IN_A_ROW or self._half_failed()
        if self.state is BreakerState.CLOSED and not is_enough:
            return False
        self.open(line, at, cause)
        return True

    def open(self, line: Line, at: float, cause: str = "", *, probe_in: float | None = None) -> None:
        """Speak to the venue no more until the probe; also how a breaker that another process opened is taken over."""
        self._forget()
        self.state, self.opened_by, self.cause = BreakerState.OPEN, line, cause
        self.probe_at = at + (PROBE_SECONDS if probe_in is None else probe_in)

    def probe_due(self, at: float) -> bool:
        """Let probes through once the time has come; tell whether the state changed."""
        if self.state is not BreakerState.OPEN or at < self.probe_at:
            return False
        self.state, self.successes = BreakerState.HALF_OPEN, 0
        return True

    def _note(self, at: float, *, is_failure: bool) -> None:
        self._calls.append((at, is_failure))
        while self._calls[0][0] <= at - WINDOW_SECONDS:
            self._calls.popleft()

    def _half_failed(self) -> bool:
        failures = sum(is_failure for _, is_failure in self._calls)
        return len(self._calls) >= WINDOW_CALLS and failures * 2 >= len(self._calls)

    def _forget(self) -> None:
        self._in_a_row = dict.fromkeys(Line, 0)
        self._calls.clear()
        self.successes = 0
