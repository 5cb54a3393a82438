"""Give each handler a thread of its own, so that one that fails or hangs delays only itself."""

from __future__ import annotations

import threading

import structlog
from django.db import connection

from marketdata.services.price_handlers import Handler, Turn
from trading_portal.kernel import clock

RETRY_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)
COMPLAIN_SECONDS = 30.0
STOP_SECONDS = 3.0

log = structlog.get_logger(__name__)


class HandlerThread:
    """Write a handler's turns, again and again until it succeeds, and no more often than it wants."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self._is_stopping = threading.Event()
        self._failures = 0
        self._complain_at = 0.0
        self._thread = threading.Thread(target=self._run, name=f"feed-{handler.name}", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def offer(self, turn: Turn) -> None:
        """Hand over a turn, without waiting."""
        self.handler.offer(turn)

    def stop(self) -> None:
        """Write what is left, once, and end; give up after a few seconds."""
        self._is_stopping.set()
        self.handler.has_work.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            self.handler.has_work.wait()
            self.handler.has_work.clear()
            self._is_stopping.wait(self.handler.seconds if self._write() else self._retry_delay())
        self._write()
        connection.close()

    def _write(self) -> bool:
        try:
            self.handler.write()
        except Exception as error:  # noqa: BLE001  Whatever it was, the next try may succeed; the others go on.
            self._failures += 1
            self.handler.has_work.set()
            connection.close()
            if clock.monotonic() >= self._complain_at:
                self._complain_at = clock.monotonic() + COMPLAIN_SECONDS
                log.warning("feed.handler_failed", handler=self.handler.name, error=repr(error), times=self._failures)
            return False
        if self._failures:
            log.info("feed.handler_recovered", handler=self.handler.name, failures=self._failures)
            self._failures, self._complain_at = 0, 0.0
        return True

    def _retry_delay(self) -> float:
        return max(self.handler.seconds, RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS)) - 1])
