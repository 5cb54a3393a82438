"""Celery tasks: hints and sweeps. The database holds the work; a lost task loses nothing."""

from __future__ import annotations

import threading

import structlog
from celery import shared_task
from django.conf import settings
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

from orders import selectors, services
from orders.hosting.worker import host_wake, queue_of
from orders.services.alerting import orders_overdue_alert
from risk.selectors import kill_switches_latched
from trading_portal.kernel import clock

FLAG_SECONDS = 2
REDIS_SECONDS = 1.0
log = structlog.get_logger(__name__)


def _flag(venue: str) -> str:
    return f"wake:{venue}"


class _Waker(threading.Thread):
    """Send wake-ups on a thread of its own, so that a slow Redis holds up nobody who places orders."""

    def __init__(self) -> None:
        super().__init__(name="venue-waker", daemon=True)
        self._venues: set[str] = set()
        self._lock = threading.Lock()
        self._asked = threading.Event()
        self._redis = Redis.from_url(
            settings.REDIS_URL, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
        )

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
        """Send a wake-up unless one is on its way: the drain takes the flag away before it looks."""
        try:
            if self._redis.set(_flag(venue), 1, nx=True, ex=FLAG_SECONDS):
                venue_drain.apply_async(args=[venue], queue=queue_of(venue), expires=FLAG_SECONDS, retry=False)
        except (RedisError, OperationalError, OSError) as error:
            log.warning("venue.wake_failed", venue=venue, error=str(error))  # the host looks by itself as well

    def took(self, venue: str) -> None:
        """Let the next wake-up be sent."""
        try:
            self._redis.delete(_flag(venue))
        except RedisError as error:
            log.warning("venue.flag_stays", venue=venue, error=str(error))


_waker = _Waker()


def venue_wake(venue: str) -> None:
    """Tell a venue's worker that something is due; call it after the commit."""
    _waker.wake(venue)


@shared_task(name="orders.venue_drain", acks_late=False)
def venue_drain(venue: str) -> None:
    """Have this worker's host of a venue send what is due."""
    _waker.took(venue)
    if not host_wake(venue):
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
