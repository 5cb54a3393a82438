"""Hand each committed event to every consumer: woken by NOTIFY, read below the horizon, a cursor for each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import structlog
from django.db import DatabaseError, close_old_connections, connection

from audit import selectors, services
from audit.domain.consumers import Consumer
from audit.domain.types import EventRecord, Position
from audit.sql import statements_keep
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Unavailable
from trading_portal.kernel.pace import Pace

log = structlog.get_logger(__name__)

BATCH = 1_000
POLL_SECONDS = 1.0
HORIZON_SECONDS = (0.002, 0.002, 0.004, 0.008, 0.016)
RETRY_SECONDS = (0.05, 0.2, 1.0, 2.0)


class ConsumerLoop(threading.Thread):
    """Drive one consumer on a thread of its own, so that a slow one holds up nobody else."""

    def __init__(self, consumer: Consumer, stopping: threading.Event) -> None:
        super().__init__(name=f"relay-{consumer.name}", daemon=True)
        self._consumer = consumer
        self._stopping = stopping
        self._woken = threading.Event()
        self.turned_at = clock.monotonic()
        self._horizon_waits = 0
        self._pace = Pace(stopping)

    def wake(self) -> None:
        """Tell the loop that something was committed."""
        self._woken.set()

    def run(self) -> None:
        """Read and hand on until told to stop; outlive a database or a Redis that went away."""
        while not self._stopping.is_set():
            try:
                statements_keep(connection)
                self._start_position_ensure()
                while not self._stopping.is_set():
                    self.turned_at = clock.monotonic()
                    self._turn()
            except (DatabaseError, Unavailable) as error:
                log.warning("relay.waits", consumer=self._consumer.name, error=str(error))
                connection.close()
                self._stopping.wait(RETRY_SECONDS[-2])
                self.turned_at = clock.monotonic()
        connection.close()

    def _start_position_ensure(self) -> None:
        if self._consumer.only_new and not selectors.cursor_exists(self._consumer.name):
            last = selectors.position_last()
            services.cursor_reset(consumer=self._consumer.name, xid=last.xid, event_id=last.id, at=clock.now())

    def _turn(self) -> None:
        """Hand on one batch, or wait for the next commit."""
        self._woken.clear()
        self._pace.begin()
        if end := selectors.page_to_relay(self._consumer.name, BATCH):
            self._horizon_waits = 0
            if events := self._wanted(end):
                self._deliver(events)
            self._done(end)
            self._pace.rest(at_least=self._consumer.rest_seconds)
        elif selectors.events_wait_for_horizon():
            time.sleep(HORIZON_SECONDS[min(self._horizon_waits, len(HORIZON_SECONDS) - 1)])
            self._horizon_waits += 1
        else:
            self._horizon_waits = 0
            self._woken.wait(POLL_SECONDS)

    def _wanted(self, end: Position) -> list[EventRecord]:
        """Return the events of a page that the consumer wants."""
        name, wanted = self._consumer.name, self._consumer
        if wanted.accounts is None:
            return selectors.page_events(name, end, types=wanted.types)
        account_ids = wanted.accounts(selectors.page_accounts(name, end))
        return selectors.page_events(name, end, types=wanted.types, account_ids=account_ids) if account_ids else []

    def _deliver(self, events: Sequence[EventRecord]) -> None:
        """Hand a page on; when it keeps failing, hand on one at a time and park what fails alone."""
        if self._handled(events, RETRY_SECONDS[:2]):
            return
        for event in events:
            if not self._handled([event], RETRY_SECONDS):
                services.event_park(
                    consumer=self._consumer.name, event_id=event.id, error=self._last_error, at=clock.now()
                )
                log.error("relay.event_parked", consumer=self._consumer.name, event_id=str(event.id))
            self._done(event.position)

    def _handled(self, events: Sequence[EventRecord], pauses: Sequence[float]) -> bool:
        for pause in (*pauses, None):
            try:
                self._consumer.handle(events)
                return True
            except (DatabaseError, Unavailable):
                raise
            except Exception as error:
                self._last_error = f"{type(error).__name__}: {error}"
                log.exception("relay.consumer_failed", consumer=self._consumer.name, events=len(events))
            self.turned_at = clock.monotonic()
            if pause is not None and self._stopping.wait(pause):
                break
        return False

    def _done(self, position: Position) -> None:
        services.cursor_move(consumer=self._consumer.name, to=position, at=clock.now())


class Relay:
    """Run every consumer's loop and wake them all on each commit."""

    def __init__(self, consumers: Sequence[Consumer], beat: Callable[[], None]) -> None:
        self._stopping = threading.Event()
        self._loops = [ConsumerLoop(consumer, self._stopping) for consumer in consumers]
        self._beat = beat

    def stop(self) -> None:
        """Let every loop finish its turn and end."""
        self._stopping.set()
        self._wake()

    def _wake(self) -> None:
        for loop in self._loops:
            loop.wake()

    def run(self) -> None:
        """Listen and wake until stopped; beat only while every consumer turns."""
        for loop in self._loops:
            loop.start()
        while not self._stopping.is_set():
            try:
                self._listen()
            except DatabaseError as error:
                log.warning("relay.listener_lost", error=str(error))
                connection.close()
                self._stopping.wait(RETRY_SECONDS[-2])
        for loop in self._loops:
            loop.join(timeout=5)
        close_old_connections()

    def _listen(self) -> None:
        connection.ensure_connection()
        postgres = connection.connection
        assert postgres is not None
        postgres.execute(f"LISTEN {selectors.CHANNEL}")
        while not self._stopping.is_set():
            with connection.wrap_database_errors:
                for _ in postgres.notifies(timeout=POLL_SECONDS, stop_after=1):
                    self._wake()
            if all(clock.monotonic() - loop.turned_at < 5 * POLL_SECONDS for loop in self._loops):
                self._beat()
