"""Host a venue in a worker process: hold its lease, and speak to it for as long as the lease is held."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable

import structlog
from django.db import DatabaseError, InterfaceError, connection

from orders import services
from orders.brokers.protocol import BrokerAdapter
from orders.hosting.health import VenueHealth
from orders.hosting.tenure import Tenure
from orders.services.leasing import LEASE_SECONDS
from trading_portal.kernel import clock, heartbeat
from trading_portal.kernel.ids import uuid7

RENEW_SECONDS = LEASE_SECONDS / 5
MARGIN_SECONDS = LEASE_SECONDS / 10
TRY_SECONDS = 1.0
log = structlog.get_logger(__name__)


class VenueHost(threading.Thread):
    """Take the venue's lease when it is free, renew it, and give way at once when it is lost.

    The lease expires by the database's clock. Ours counts from before each renewal, less a margin, so that a process
    which was stopped knows, before it speaks again, that its time is over.
    """

    def __init__(self, venue: str, adapter: Callable[[], BrokerAdapter]) -> None:
        super().__init__(name=f"host-{venue}", daemon=True)
        self.venue = venue
        self.holder = f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid7().hex[-8:]}"
        self._adapter = adapter
        self._health = VenueHealth(venue)
        self._stopping = threading.Event()
        self._tenure: Tenure | None = None
        self._turned_at = clock.monotonic()

    @property
    def is_speaking(self) -> bool:
        """Tell whether this host has the venue now."""
        tenure = self._tenure
        return tenure is not None and tenure.may_speak()

    def wake(self) -> bool:
        """Say that something is due, and return True; without the lease it is somebody else's to send."""
        tenure = self._tenure
        if tenure is not None:
            tenure.wake()
        return tenure is not None

    def silent_seconds(self) -> float:
        """Return how long the slowest loop of this host has not turned."""
        tenure = self._tenure
        own = clock.monotonic() - self._turned_at
        return max(own, tenure.silent_seconds()) if tenure else own

    def stop(self, seconds: float = 20.0) -> None:
        """Let go of the venue cleanly."""
        self._stopping.set()
        if tenure := self._tenure:
            tenure.hasten()
        self.join(seconds)

    def run(self) -> None:
        """Hold the venue whenever nobody else does, until stopped."""
        while not self._stopping.is_set():
            self._turned()
            try:
                self._hold()
            except (DatabaseError, InterfaceError) as error:
                log.warning("hosting.database_lost", thread=self.name, error=str(error))
                connection.close()
            except Exception:
                log.exception("hosting.failed", venue=self.venue)
                connection.close()
            self._stopping.wait(TRY_SECONDS)
        connection.close()

    def _turned(self) -> None:
        """Show life, also where the worker around us does not: a venue is served while Redis is away."""
        self._turned_at = clock.monotonic()
        heartbeat.beat()

    def _hold(self) -> None:
        asked_at = clock.monotonic()
        fence = services.lease_acquire(venue=self.venue, holder=self.holder)
        if fence is None:
            return
        log.info("hosting.lease_taken", venue=self.venue, fence=fence, holder=self.holder)
        self._health.begin(fence)
        tenure = Tenure(self._adapter(), self._health, fence, asked_at + LEASE_SECONDS - MARGIN_SECONDS)
        self._tenure = tenure
        try:
            tenure.begin()
            self._renew_while_held(tenure)
        finally:
            self._tenure = None
            tenure.end(self._turned)
            log.info("hosting.lease_left", venue=self.venue, fence=fence)
        services.lease_release(venue=self.venue, holder=self.holder, fence=fence)

    def _renew_while_held(self, tenure: Tenure) -> None:
        """Renew until stopped or displaced; a database that is away for less than the lease loses nothing."""
        while not self._stopping.is_set() and not tenure.rest(RENEW_SECONDS):
            self._turned()
            asked_at = clock.monotonic()
            try:
                if not services.lease_renew(venue=self.venue, holder=self.holder, fence=tenure.fence):
                    log.warning("hosting.lease_lost", venue=self.venue, fence=tenure.fence)
                    return
                tenure.valid_until = asked_at + LEASE_SECONDS - MARGIN_SECONDS
            except (DatabaseError, InterfaceError) as error:
                log.warning("hosting.database_lost", thread=self.name, error=str(error))
                connection.close()
            if not tenure.may_speak():
                return
