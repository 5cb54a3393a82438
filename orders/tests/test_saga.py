"""Place, reserve, route, book: each step tells the log; what fails is undone in the transaction that says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from audit.selectors import events_of_stream
from orders import services
from orders.domain.breaker import BreakerState, Line
from orders.domain.reports import ReportKind
from orders.models import Order
from orders.services.breaking import Health, venue_health_store
from orders.services.gateway import Gateway
from orders.tests.desk import Desk, rows
from risk.services import kill_switch_latch
from risk.tests.helpers import officer
from trading_portal.kernel import clock
from trading_portal.kernel.errors import reason

pytestmark = pytest.mark.django_db
AT_ONCE = timedelta(milliseconds=500)
Failure = Callable[[Desk], UUID]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_every_step_of_an_order_that_goes_well_is_an_event(desk: Desk):
    order_id = desk.working(quantity="5")
    assert desk.reserved(order_id) == 5
    desk.record(desk.trade(order_id, "5"))
    assert desk.events(order_id) == ["accepted", "routed", "acknowledged", "executed"]
    assert (desk.held(), desk.reserved(order_id)) == (Decimal(5), None)


def too_dear(desk: Desk) -> UUID:
    (placement,) = desk.place_all([desk.command(quantity="100000000")])
    assert placement.order is not None
    return placement.order.id


def venue_away(desk: Desk) -> UUID:
    away = Health(state=BreakerState.OPEN, opened_by=Line.SEND)
    venue_health_store(venue=desk.venue, fence=None, health=away, at=clock.now())
    (placement,) = desk.place_all([desk.command()])
    assert placement.order is not None
    return placement.order.id


def switch_latched(desk: Desk) -> UUID:
    order_id = desk.accepted()
    kill_switch_latch(account_id=desk.account, instrument_id=None, venue="", reason="x", by=officer(), at=clock.now())
    desk.claim()
    return order_id


def breaker_opened(desk: Desk) -> UUID:
    order_id = desk.accepted()
    away = Gateway(refusal=reason("BROKER_UNAVAILABLE", venue=desk.venue))
    services.venue_claim(venue=desk.venue, fence=None, limit=10, gateway=away, at=clock.now())
    return order_id


def altered(desk: Desk) -> UUID:
    order_id = desk.accepted(quantity="5")
    Order.objects.filter(id=order_id).update(quantity=6)
    desk.claim()
    return order_id


def reported(kind: ReportKind) -> Failure:
    def fail(desk: Desk) -> UUID:
        order_id = desk.sent()
        desk.record(desk.report(order_id, kind))
        return order_id

    fail.__name__ = kind.value
    return fail


def never_heard(desk: Desk) -> UUID:
    order_id = desk.sent()
    services.orders_unknown_mark(venue=desk.venue, sent_before=clock.now(), fence=None, at=clock.now())
    desk.record(desk.report(order_id, ReportKind.STATUS_UNKNOWN_ORDER, exec_id=None))
    return order_id


FAILURES = [
    too_dear,
    venue_away,
    switch_latched,
    breaker_opened,
    altered,
    never_heard,
    *map(reported, (ReportKind.REJECTED, ReportKind.CANCELED, ReportKind.EXPIRED)),
]


@pytest.mark.parametrize("fail", FAILURES, ids=lambda failure: failure.__name__)
def test_a_failure_at_any_step_leaves_nothing_held_and_says_so_at_once(desk: Desk, fail: Failure):
    cash = desk.cash()
    begun_at = clock.now()
    order_id = fail(desk)
    last = events_of_stream(f"order:{order_id}")[-1]
    assert last.type in ("order.refused", "order.dropped", "order.rejected", "order.canceled", "order.expired")
    assert begun_at - AT_ONCE < last.valid_at <= last.recorded_at + AT_ONCE
    assert last.recorded_at - last.valid_at < AT_ONCE
    assert (desk.reserved(order_id), desk.held(), desk.cash()) == (None, 0, cash)
    assert {state for _, state in desk.intents(order_id)} <= {"settled", "dropped"}
    order = desk.order(order_id)
    assert (order.leaves_quantity, order.is_open) == (0, False)


def test_the_release_and_the_event_that_tells_it_become_visible_together(desk: Desk):
    order_id = breaker_opened(desk)
    (event,) = rows(
        "SELECT xid::text FROM audit_event WHERE stream = %s AND type = 'order.dropped'", f"order:{order_id}"
    )
    (row,) = rows("SELECT xmin::text FROM orders_order WHERE id = %s", order_id)
    assert int(event[0]) % 2**32 == int(row[0])
