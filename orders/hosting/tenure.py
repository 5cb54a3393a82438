"""One worker's time as the only one who speaks to a venue: from taking the lease to losing it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from orders.brokers.protocol import BrokerAdapter
from orders.hosting.egress import gateway_of
from orders.hosting.health import VenueHealth
from orders.hosting.line import AdapterLine
from orders.hosting.reconciler import Reconciler
from orders.hosting.recorder import Recorder
from orders.hosting.sender import Sender
from orders.hosting.turning import TurningThread
from trading_portal.kernel import clock

BACKLOG = 5_000
JOIN_SECONDS = 5.0
log = structlog.get_logger(__name__)


class Tenure:
    """Hold an adapter and the threads that send, record and reconcile, under one fencing number."""

    def __init__(self, adapter: BrokerAdapter, health: VenueHealth, fence: int, valid_until: float) -> None:
        self.fence = fence
        self._health = health
        self.valid_until = valid_until
        self._displaced = threading.Event()
        self._hastened = threading.Event()
        self._line = AdapterLine(adapter)
        self._gateway = gateway_of(adapter)
        self._recorder = Recorder(adapter.name, fence, health, self._give_way)
        self._sender = Sender(
            adapter.name, fence, self._line, health, self._gateway, self.may_claim, self.may_speak, self._give_way
        )
        self._reconciler = Reconciler(
            adapter.name, fence, self._line, self._recorder, health, self.may_speak, self._give_way, self._begin_sending
        )
        self._threads = (self._recorder.thread, self._sender.thread, self._reconciler.thread)

    def may_speak(self) -> bool:
        """Tell whether the lease is surely ours: by the monotonic clock, which also runs while we are stopped."""
        return not self._displaced.is_set() and clock.monotonic() < self.valid_until

    def may_claim(self) -> bool:
        """Tell whether to claim more: the lease is ours, nothing is in doubt, and what came back is being recorded."""
        is_sure = self._reconciler.is_reconciled or self._health.is_open or self._gateway.refusal is not None
        return is_sure and self.may_speak() and self._recorder.backlog < BACKLOG

    def rest(self, seconds: float) -> bool:
        """Wait for so long; tell at once when the venue is lost, or when told to hasten."""
        return self._hastened.wait(seconds)

    def hasten(self) -> None:
        """Let whoever rests go on."""
        self._hastened.set()

    def begin(self) -> None:
        """Connect, ask about everything in doubt, then begin to send; speak to no place that may not be spoken to."""
        self._recorder.thread.start()
        if self._gateway.refusal is None:
            self._reconciler.thread.start()
        else:
            self._begin_sending()

    def _give_way(self) -> None:
        self._displaced.set()
        self.hasten()

    def _begin_sending(self) -> None:
        if not self._sender.thread.is_alive():
            self._sender.thread.start()
        self._sender.thread.wake()

    def wake(self) -> None:
        """Say that something is due."""
        self._sender.wake()

    def silent_seconds(self) -> float:
        """Return how long the slowest of the threads has not turned."""
        running = [thread for thread in self._threads if thread.is_alive()]
        return clock.monotonic() - min((thread.turned_at for thread in running), default=clock.monotonic())

    def end(self, alive: Callable[[], None]) -> None:
        """Send no more, let the venue report what it did, record that, and let go.

        A venue that hangs makes every step of this wait: `alive` is called between them, for those hosted beside it.
        """
        self._stop(self._reconciler.thread)
        alive()
        self._stop(self._sender.thread)
        alive()
        try:
            self._line.stop()
        except Exception as error:  # noqa: BLE001 - whatever it was, the venue is let go
            log.warning("hosting.stop_failed", fence=self.fence, error=repr(error))
        alive()
        deadline = clock.monotonic() + JOIN_SECONDS
        while self._recorder.backlog and self.may_speak() and clock.monotonic() < deadline:
            self._displaced.wait(0.01)
            alive()
        self._stop(self._recorder.thread)
        alive()
        self._line.close()

    def _stop(self, thread: TurningThread) -> None:
        if thread.is_alive():
            thread.ask_to_stop()
            thread.join(JOIN_SECONDS)
