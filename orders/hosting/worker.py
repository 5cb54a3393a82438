"""Run the hosts of those venues whose queues a Celery worker serves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import structlog
from celery.signals import celeryd_after_setup, worker_shutdown
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from audit.sql import statements_keep
from orders.brokers.registry import ADAPTERS
from orders.hosting.host import VenueHost
from trading_portal.kernel import heartbeat
from trading_portal.kernel.collector import collect_rarely

QUEUE_PREFIX = "venue."
SILENT_SECONDS = 8.0
IDLE_TRANSACTION = "8s"
log = structlog.get_logger(__name__)
_hosts: dict[str, VenueHost] = {}


def queue_of(venue: str) -> str:
    """Return the name of a venue's queue."""
    return f"{QUEUE_PREFIX}{venue}"


def connections_prepare() -> None:
    """Make this process's connections fit for hosting: no transaction stands idle for longer than a lease.

    A worker that was stopped in the middle of one would keep its accounts locked from whoever takes its venue over.
    """
    connection_created.connect(_prepare, dispatch_uid="orders.hosting.connections")


def _prepare(connection: BaseDatabaseWrapper, **_: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, false)", [IDLE_TRANSACTION])
    statements_keep(connection)


def hosts_start(queues: Iterable[str]) -> None:
    """Start a host for each venue that has a queue here; the process's heartbeat then vouches for them too."""
    connections_prepare()
    for queue in queues:
        venue = queue.removeprefix(QUEUE_PREFIX)
        if venue == queue or venue in _hosts:
            continue
        if venue not in ADAPTERS:
            log.error("hosting.venue_without_adapter", venue=venue)
            continue
        _hosts[venue] = VenueHost(venue, ADAPTERS[venue])
        _hosts[venue].start()
    if _hosts:
        heartbeat.beat_only_while(hosts_turn)


def hosts_stop() -> None:
    """Let go of every venue."""
    for host in _hosts.values():
        host.stop()
    _hosts.clear()


def host_wake(venue: str) -> bool:
    """Wake the host of a venue; tell whether it is here and has the venue."""
    host = _hosts.get(venue)
    return host is not None and host.wake()


def hosts_turn() -> bool:
    """Tell whether every loop of every host here still turns."""
    return all(host.is_alive() and host.silent_seconds() < SILENT_SECONDS for host in list(_hosts.values()))


@celeryd_after_setup.connect  # before the consumer connects: a venue is served without Redis as well
def _start_with_worker(instance: Any, **_: Any) -> None:
    hosts_start(instance.app.amqp.queues.consume_from)
    if _hosts:
        collect_rarely()


@worker_shutdown.connect
def _stop_with_worker(**_: Any) -> None:
    hosts_stop()
