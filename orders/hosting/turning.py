"""A thread that turns: it works, waits for the next wake-up, and outlives a database that went away."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog
from django.db import DatabaseError, InterfaceError, connection

from trading_portal.kernel import clock
from trading_portal.kernel.pace import Pace

RETRY_SECONDS = (0.05, 0.2, 0.5, 1.0, 2.0)
log = structlog.get_logger(__name__)


class TurningThread(threading.Thread):
    """Call `turn` whenever woken, and at least every `idle_seconds`; its database connection is its own.

    A turn that fails is tried again after a pause; what it left undone is still there to be found.
    """

    def __init__(self, name: str, turn: Callable[[], None], *, idle_seconds: float) -> None:
        super().__init__(name=name, daemon=True)
        self._turn = turn
        self._idle_seconds = idle_seconds
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._failures = 0
        self._pace = Pace(self._stopping)
        self.turned_at = clock.monotonic()

    @property
    def is_stopping(self) -> bool:
        """Tell whether the thread was asked to stop."""
        return self._stopping.is_set()

    def alive(self) -> None:
        """Note, in the middle of a long turn, that it goes on."""
        self.turned_at = clock.monotonic()
        self._pace.begin()

    def rest(self) -> None:
        """Rest between two batches of a turn as long as the last one took since `alive`, so that the next is larger.

        Not after a full one: the next cannot be larger, and a queue would only grow.
        """
        self._pace.rest()

    def wake(self) -> None:
        """Make the next turn come at once."""
        self._woken.set()

    def ask_to_stop(self) -> None:
        """Make the turn that runs now the last one."""
        self._stopping.set()
        self._woken.set()

    def run(self) -> None:
        """Turn until asked to stop."""
        while not self._stopping.is_set():
            self.alive()
            self._woken.clear()
            self._try()
            if self._failures:
                self._stopping.wait(RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS)) - 1])
            else:
                self._woken.wait(self._idle_seconds)
        connection.close()

    def _try(self) -> None:
        try:
            self._turn()
            self._failures = 0
            return
        except (DatabaseError, InterfaceError) as error:
            log.warning("hosting.database_lost", thread=self.name, error=str(error))
        except OSError as error:
            log.warning("hosting.venue_silent", thread=self.name, error=f"{type(error).__name__}: {error}")
        except Exception:
            log.exception("hosting.turn_failed", thread=self.name)
        self._failures += 1
        connection.close()
