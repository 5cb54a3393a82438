"""Celery tasks: hints and sweeps. The database holds the work; a lost task loses nothing."""

from __future__ import annotations

import threading

import structlog
from celery import shared_task
from kombu.exceptions import OperationalError
from redis import RedisError

from orders import selectors, services
from orders.hosting.flags import FLAG_SECONDS, WakeFlags
from orders.hosting.worker import host_wake, queue_of
from orders.services.alerting import orders_overdue_alert
from risk.selectors import kill_switches_latched
from trading_portal.kernel import clock

log = structlog.get_logger(__name__)


class _Waker(threading.Thread):
    """Send wake-ups on a thread of its own, so that a slow Redis holds up nobody who places orders."""

    def __init__(self) -> None:
        super().__init__(name="venue-waker", daemon=True)
        self._venues: set[str] = set()
        self._lock = threading.Lock()
        self._asked = threading.Event()
        self.flags = WakeFlags()

    def wake(self, venue: str) -> None:
        """Have a venue woken; returns at once."""
        with self._lock:
            self._venues.add(venue)
            if not self.is_alive():
                self.start()
        self._asked.set()

    def run(self) -> None:
        """Send what was asked for, each venue once."""
        while self._asked.wait():
            self._asked.clear()
            with self._lock:
                venues, self._venues = self._venues, set()
            for venue in venues:
                self._send(venue)

    def _send(self, venue: str) -> None:
        """Send a wake-up unless the host is awake: it lowers the flag before it looks for the last time."""
        try:
            if self.flags.hoist(venue):
                venue_drain.apply_async(args=[venue], queue=queue_of(venue), expires=FLAG_SECONDS, retry=False)
        except (RedisError, OperationalError, OSError) as error:
            log.warning("venue.wake_failed", venue=venue, error=str(error))  # the host looks by itself as well


_waker = _Waker()


def venue_wake(venue: str) -> None:
    """Tell a venue's worker that something is due; call it after the commit."""
    _waker.wake(venue)


@shared_task(name="orders.venue_drain", acks_late=False)
def venue_drain(venue: str) -> None:
    """Have this worker's host of a venue send what is due."""
    if not host_wake(venue):
        _waker.flags.lower(venue)
        log.warning("venue.not_hosted_here", venue=venue)


@shared_task(name="orders.venues_sweep")
def venues_sweep() -> None:
    """Wake every venue that has something due: a second line, should a wake-up have been lost."""
    for venue in selectors.venues_due(at=clock.now()):
        venue_wake(venue)


@shared_task(name="orders.expire")
def orders_expire() -> None:
    """End the day orders that were never sent and whose session is over."""
    while services.orders_expire_due(at=clock.now()):
        log.info("orders.expired_unsent")


@shared_task(name="orders.killed_sweep")
def killed_sweep() -> None:
    """Cancel what is still open in the scopes of latched switches: a second line, should the handler have died."""
    for switch in kill_switches_latched():
        count = services.orders_cancel_killed(kill_switch_id=switch.id, at=clock.now())
        if count:
            log.warning("orders.killed_late", kill_switch_id=str(switch.id), orders=count)


@shared_task(name="orders.groups_sweep")
def groups_sweep() -> None:
    """Come back to brackets whose venue refused what was asked of an exit: the rest is done where it arises."""
    count = services.groups_repair(at=clock.now())
    if count:
        log.warning("orders.groups_repaired", orders=count)


@shared_task(name="orders.alerts_sweep")
def alerts_sweep() -> None:
    """Tell a person about orders whose outcome a venue has owed for a minute, hosted or not."""
    count = orders_overdue_alert(at=clock.now())
    if count:
        log.warning("orders.overdue", orders=count)
