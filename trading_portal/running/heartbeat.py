"""Beat from the loops that servers and workers run. Without a supervisor all of this does nothing."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from celery import Celery
from celery.bootsteps import StartStopStep

from trading_portal.kernel.heartbeat import SECONDS, beat, is_supervised


def start_asyncio_heartbeat() -> None:
    """Beat from the event loop that serves: the one that runs now, else Twisted's (daphne's) as soon as it does."""
    if not is_supervised():
        return
    try:
        _turn(asyncio.get_running_loop())
    except RuntimeError:
        reactor: Any = sys.modules.get("twisted.internet.reactor")
        if reactor is not None:
            reactor.callLater(0, lambda: _turn(asyncio.get_running_loop()))


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    beat()
    loop.call_later(SECONDS, _turn, loop)


class _ConsumerHeartbeat(StartStopStep):
    """Beat as long as a Celery worker's loop fires its timers, which each loss of the broker clears."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        """Hand the beat to the timer, on every connection to the broker."""
        self.entry = parent.timer.call_repeatedly(SECONDS, beat)

    def stop(self, parent: Any) -> None:
        """Take it back; the next connection begins its own."""
        self.entry.cancel()


def start_celery_heartbeat(app: Celery) -> None:
    """Beat from the main loop of each worker of this app."""
    if is_supervised():
        app.steps["consumer"].add(_ConsumerHeartbeat)
