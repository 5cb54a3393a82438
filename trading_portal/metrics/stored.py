"""Read at each scrape what the database knows better than any process: venues and the relay."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future

import structlog
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from accounts.api.pool import BoundedPool
from audit.selectors import relay_lags
from audit.sql import statements_keep
from orders.brokers.registry import ADAPTERS
from orders.domain.breaker import BreakerState
from orders.selectors.venues import VenueLoad, venues_load
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Unavailable
from trading_portal.wiring import consumers

READ_SECONDS = 3.0

log = structlog.get_logger(__name__)
# One read at a time: where the database hangs, one thread waits for it, and every further scrape is told at once.
_pool = BoundedPool(1, name="metrics", capacity=1)


def stored() -> list[Metric]:
    """Return what the database says; only that it is away, where it does not answer in time."""
    try:
        reading: Future[list[Metric]] = _pool.submit(_read)
        return [_up(1), *reading.result(READ_SECONDS)]
    except (DatabaseError, TimeoutError, Unavailable) as error:
        log.warning("metrics.database_away", error=repr(error))
        return [_up(0)]


def _read() -> list[Metric]:
    close_old_connections()
    statements_keep(connection)
    at = clock.now()
    lags = relay_lags([consumer.name for consumer in consumers()], at=at)
    found = {load.venue: load for load in venues_load(at=at)}
    # A breaker is kept for ever, of a venue that has gone as well; what such a one still owes is told.
    loads = [found.get(venue, VenueLoad(venue)) for venue in ADAPTERS]
    loads += [load for load in found.values() if load.venue not in ADAPTERS and (load.due or load.in_flight)]
    return [*_venues(loads), _relay(lags)]


def _up(value: int) -> Metric:
    return GaugeMetricFamily("portal_database_up", "Whether the database answered this scrape.", value=value)


def _venues(loads: list[VenueLoad]) -> Iterator[Metric]:
    due = GaugeMetricFamily("portal_venue_messages_due", "Messages that a venue is to be sent now.", labels=["venue"])
    in_flight = GaugeMetricFamily(
        "portal_venue_messages_in_flight", "Messages sent to a venue and not answered.", labels=["venue"]
    )
    breaker = GaugeMetricFamily(
        "portal_venue_breaker", "1 for the state that a venue's breaker is in.", labels=["venue", "state"]
    )
    for load in loads:
        due.add_metric([load.venue], load.due)
        in_flight.add_metric([load.venue], load.in_flight)
        for state in BreakerState:
            breaker.add_metric([load.venue, state.value], state is load.breaker)
    yield from (due, in_flight, breaker)


def _relay(lags: dict[str, float]) -> Metric:
    lag = GaugeMetricFamily(
        "portal_relay_lag_seconds", "Age of the oldest event that a consumer has not had.", labels=["consumer"]
    )
    for consumer, seconds in lags.items():
        lag.add_metric([consumer], seconds)
    return lag
