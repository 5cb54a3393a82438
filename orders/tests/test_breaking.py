"""A venue that does not answer: what is refused, dropped, tried and told, and how it comes back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from audit.selectors import events_of_stream
from orders import services
from orders.brokers.protocol import VenueCancel, VenueOrder
from orders.domain import breaker
from orders.domain.breaker import BreakerState, Line
from orders.hosting import health as health_module
from orders.hosting import line, reconciler
from orders.hosting.health import VenueHealth
from orders.models import Breaker, Order, VenueRoute
from orders.selectors.venues import venues_away
from orders.services import gateway
from orders.services.breaking import Health, venue_health_store
from orders.services.gateway import Gateway
from orders.tests.desk import Desk
from orders.tests.venue import FaultyAdapter, Venue, until
from trading_portal.kernel import clock
from trading_portal.kernel.errors import reason

pytestmark = pytest.mark.django_db
AWAY = Health(state=BreakerState.OPEN, opened_by=Line.SEND, cause="TimeoutError")


@pytest.fixture
def desk() -> Desk:
    return Desk()


def store(venue: str, health: Health) -> None:
    venue_health_store(venue=venue, fence=None, health=health, at=clock.now())


def told(venue: str) -> list[str]:
    return [event.type.removeprefix("venue.") for event in events_of_stream(f"venue:{venue}")]


# Placing


def test_an_order_for_a_venue_that_is_away_is_refused_and_kept_with_its_reason(desk: Desk):
    store(desk.venue, AWAY)
    (placement,) = desk.place_all([desk.command()])
    assert placement.status == "refused"
    assert [why.code for why in placement.refusal] == ["BROKER_UNAVAILABLE"]
    assert placement.order is not None
    order_id = placement.order.id
    assert (desk.status(order_id), desk.reserved(order_id), desk.intents(order_id)) == ("rejected", None, [])
    assert desk.events(order_id) == ["refused"]


def test_a_refused_order_neither_counts_for_its_neighbours_nor_makes_a_later_one_a_duplicate(desk: Desk):
    store(desk.venue, AWAY)
    command = desk.command(quantity="7")
    desk.place_all([command])
    store(desk.venue, Health())
    assert desk.accepted(quantity="7")


def test_orders_for_other_venues_are_taken_meanwhile(desk: Desk):
    store(desk.venue, AWAY)
    other = Desk()
    assert other.accepted()


def test_a_venue_that_is_being_tried_again_takes_orders(desk: Desk):
    store(desk.venue, Health(state=BreakerState.HALF_OPEN))
    assert desk.accepted()


# What was accepted and not yet sent


def test_what_was_accepted_and_not_sent_is_dropped_within_the_claim_and_lets_its_reservation_go(desk: Desk):
    order_id = desk.accepted(quantity="5")
    away = Gateway(refusal=reason("BROKER_UNAVAILABLE", venue=desk.venue))
    assert services.venue_claim(venue=desk.venue, fence=None, limit=10, gateway=away, at=clock.now()) == []
    order = desk.order(order_id)
    assert (order.status, [why["code"] for why in order.reasons]) == ("rejected", ["BROKER_UNAVAILABLE"])
    assert (desk.reserved(order_id), desk.intents(order_id)) == (None, [("submit", "dropped")])
    assert desk.events(order_id) == ["accepted", "dropped"]


def test_cancels_are_tried_all_the_same(desk: Desk):
    order_id = desk.working()
    desk.cancel(order_id)
    away = Gateway(refusal=reason("BROKER_UNAVAILABLE", venue=desk.venue))
    (message,) = services.venue_claim(venue=desk.venue, fence=None, limit=10, gateway=away, at=clock.now())
    assert (message.order_id, message.kind) == (order_id, "cancel")


# The log and the pages


def test_each_change_is_told_once_in_the_venue_s_stream(desk: Desk):
    store(desk.venue, Health())
    for health in (AWAY, AWAY, Health(state=BreakerState.HALF_OPEN), Health(), Health(is_slow=True), Health()):
        store(desk.venue, health)
    assert told(desk.venue) == ["breaker_opened", "breaker_probing", "breaker_closed", "slow", "quick"]
    opened = events_of_stream(f"venue:{desk.venue}")[0].payload
    assert desk.venue in opened["sentence"]
    assert opened["cause"] == "TimeoutError"


def test_accounts_with_open_orders_there_are_told_and_others_are_not(desk: Desk):
    desk.working()
    store(desk.venue, AWAY)
    other = Desk()
    away = venues_away([desk.account, other.account])
    assert [each.venue for each in away[desk.account]] == [desk.venue]
    assert other.account not in away
    store(desk.venue, Health())
    assert venues_away([desk.account]) == {}


def test_nobody_without_the_lease_says_how_a_venue_is(desk: Desk):
    services.lease_acquire(venue=desk.venue, holder="one")
    mine = VenueHealth(desk.venue)
    mine.begin(99)
    for _ in range(5):
        with pytest.raises(ConnectionError), mine.call(Line.SEND):
            raise ConnectionError
    assert mine.is_open
    assert not Breaker.objects.filter(venue=desk.venue).exists()


def test_a_worker_goes_on_where_the_last_one_stopped(desk: Desk):
    store(desk.venue, Health(BreakerState.OPEN, Line.SEND, "gone", clock.now() + timedelta(seconds=12)))
    mine = VenueHealth(desk.venue)
    mine.begin(1)
    assert mine.is_open
    assert 10 < mine._breaker.probe_at - clock.monotonic() <= 12


# The gateway


def refused_at_gateway(desk: Desk, order_id: UUID, knows: Gateway = gateway.OPEN_GATEWAY) -> str:
    assert services.venue_claim(venue=desk.venue, fence=None, limit=10, gateway=knows, at=clock.now()) == []
    order = desk.order(order_id)
    assert (order.status, desk.reserved(order_id)) == ("rejected", None)
    (why,) = order.reasons
    assert why["code"] == "EGRESS_REFUSED"
    return why["facts"]["why"]


@pytest.mark.parametrize(("changed", "why"), [({"quantity": 6}, "quantity"), ({"limit_price": 99}, "price")])
def test_an_order_that_is_not_the_approved_one_does_not_leave(desk: Desk, changed: dict[str, Any], why: str):
    order_id = desk.accepted(quantity="5")
    Order.objects.filter(id=order_id).update(**changed)
    assert why in refused_at_gateway(desk, order_id)


def test_a_venue_outside_gets_only_orders_of_accounts_that_a_route_leads_there(desk: Desk):
    order_id = desk.accepted()
    assert "route" in refused_at_gateway(desk, order_id, Gateway(is_outside=True))
    VenueRoute.objects.create(account_id=desk.account, venue=desk.venue, is_default=False)
    led = desk.accepted()
    (message,) = services.venue_claim(
        venue=desk.venue, fence=None, limit=10, gateway=Gateway(is_outside=True), at=clock.now()
    )
    assert message.order_id == led


# A host and its venue


class Deaf(FaultyAdapter):
    """An adapter whose calls fail, or never return, as long as a test says so."""

    endpoint = ""
    is_away = False

    def __init__(self, adapter: Any) -> None:
        super().__init__(adapter)
        self.tried: list[str] = []

    async def _meet(self, what: str) -> None:
        self.tried.append(what)
        if self.is_away:
            raise ConnectionError("The venue is away.")

    async def submit(self, orders: Sequence[VenueOrder]) -> None:
        await self._meet("submit")
        await super().submit(orders)

    async def cancel(self, cancels: Sequence[VenueCancel]) -> None:
        await self._meet("cancel")
        await super().cancel(cancels)


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Venue]:
    monkeypatch.setattr(reconciler, "ASK_AFTER", timedelta(seconds=0.3))
    monkeypatch.setattr(reconciler, "UNKNOWN_AFTER", timedelta(seconds=60))
    monkeypatch.setattr(reconciler, "COMPARE_SECONDS", 0.5)
    monkeypatch.setattr(reconciler, "TURN_SECONDS", 0.1)
    monkeypatch.setattr(health_module, "ASK_SECONDS", 0.0)
    monkeypatch.setattr(breaker, "PROBE_SECONDS", 0.7)
    monkeypatch.setattr(line, "ANSWER_SECONDS", 0.5)
    made = Venue()
    yield made
    made.close()


def state(venue: Venue) -> str:
    found = Breaker.objects.filter(venue=venue.name).first()
    return found.state if found else "closed"


def test_a_venue_that_takes_no_orders_is_left_alone_then_tried_one_at_a_time_and_comes_back(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(breaker, "PROBE_SECONDS", 1.5)
    adapter = Deaf(venue.adapter())
    host = venue.host(lambda: adapter)
    (resting,) = venue.place(limit="95")
    venue.until_base([resting], "new")
    adapter.is_away = True
    lost: list[UUID] = []
    while state(venue) != "open":
        lost += [placement.order.id for placement in venue.try_place(1) if placement.order]
    venue.cancel(resting)
    before = len(adapter.tried)
    until(lambda: "cancel" in adapter.tried[before:])
    assert {p.refusal[0].code for p in venue.try_place(2)} == {"BROKER_UNAVAILABLE"}
    adapter.is_away = False
    until(lambda: state(venue) == "half_open")
    orders = venue.place(4)
    venue.until_base(orders, "filled")
    assert state(venue) == "closed"
    venue.until_base([resting], "canceled")
    until(lambda: set(venue.bases(lost)) <= {"filled", "rejected"})
    assert host.is_speaking
    assert told(venue.name)[:3] == ["breaker_opened", "breaker_probing", "breaker_closed"]
    venue.assert_books_agree()


def test_a_host_that_may_not_be_spoken_to_is_sent_nothing(venue: Venue):
    adapter = Deaf(venue.adapter())
    adapter.endpoint = "https://broker.example:443"
    venue.host(lambda: adapter)
    orders = venue.place(2)
    venue.until_base(orders, "rejected")
    assert adapter.tried == []
    assert {why["facts"]["why"] for why in Order.objects.get(id=orders[0]).reasons} == {
        "broker.example is not an allowed host"
    }


def test_a_slow_venue_is_told_of_and_waited_for_longer(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    fence = services.lease_acquire(venue=desk.venue, holder="one")
    assert fence is not None
    mine = VenueHealth(desk.venue)
    mine.begin(fence)
    order_ids = [desk.sent() for _ in range(5)]
    now = clock.monotonic()
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    mine.sent((order_id, False) for order_id in order_ids)
    now += 4.0
    mine.answered([desk.report(order_id, "new") for order_id in order_ids])
    mine.turn()
    assert mine.patience(timedelta(seconds=10)) == timedelta(seconds=20)
    found = Breaker.objects.get(venue=desk.venue)
    assert (found.acknowledge_p95_ms, found.patience_ms, found.is_slow) == (4000, 20_000, True)
    assert told(desk.venue) == ["slow"]
