"""What a person is told of: answers owed too long, and what the venue has otherwise than we."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.db.models import F

from audit.domain.types import Actor
from audit.selectors import events_of_stream
from orders import services
from orders.domain.reports import ReportKind
from orders.hosting import reconciler, surveyor
from orders.models import Order, PaperOrder, PaperReport, VenueAlert, VenueIntent
from orders.services.alerting import alerts_resolve, orders_overdue_alert
from orders.tests.desk import Desk
from orders.tests.venue import FaultyAdapter, Venue, until
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return Desk()


def codes(venue: str, *, standing: bool = True) -> list[str]:
    found = VenueAlert.objects.filter(venue=venue, resolved_at__isnull=standing).order_by("raised_at", "id")
    return list(found.values_list("code", flat=True))


def told(venue: str) -> list[str]:
    return [event.type.removeprefix("venue.") for event in events_of_stream(f"venue:{venue}")]


def later(seconds: float) -> datetime:
    return clock.now() + timedelta(seconds=seconds)


def mark_unknown(desk: Desk) -> None:
    services.orders_unknown_mark(venue=desk.venue, sent_before=clock.now(), fence=None, at=clock.now())


def test_a_person_is_told_once_of_an_order_nobody_has_answered_for_a_minute(desk: Desk):
    order_id = desk.sent()
    mark_unknown(desk)
    orders_overdue_alert(at=later(55))
    assert codes(desk.venue) == []
    orders_overdue_alert(at=later(61))
    orders_overdue_alert(at=later(70))
    alert = VenueAlert.objects.get(venue=desk.venue)
    assert (alert.code, alert.order_id, alert.subject) == ("ANSWER_OVERDUE", order_id, str(order_id))
    assert desk.events(order_id) == ["accepted", "routed", "unknown", "anomaly"]
    assert told(desk.venue) == ["alert_raised"]
    assert desk.reserved(order_id) is not None


def test_the_alert_is_taken_back_when_the_answer_comes(desk: Desk):
    order_id = desk.sent()
    mark_unknown(desk)
    orders_overdue_alert(at=later(61))
    desk.record(desk.report(order_id, ReportKind.NEW))
    orders_overdue_alert(at=later(66))
    assert (codes(desk.venue), codes(desk.venue, standing=False)) == ([], ["ANSWER_OVERDUE"])
    assert told(desk.venue) == ["alert_raised", "alert_resolved"]


def test_a_filled_order_whose_cancel_is_unanswered_is_told_of_as_such(desk: Desk):
    order_id = desk.working(quantity="5")
    desk.cancel(order_id)
    desk.claim()
    desk.record(desk.trade(order_id, "5"))
    assert (desk.order(order_id).base, desk.status(order_id)) == ("filled", "pending_cancel")
    orders_overdue_alert(at=later(61))
    assert codes(desk.venue) == ["REQUEST_UNANSWERED"]


def test_a_cancel_that_is_sent_again_and_again_counts_from_the_first_time(desk: Desk):
    order_id = desk.working()
    desk.cancel(order_id)
    desk.claim()
    Order.objects.filter(id=order_id).update(updated_at=later(-61))
    VenueIntent.objects.filter(order_id=order_id, kind="cancel").update(sent_at=clock.now())
    orders_overdue_alert(at=later(1))
    assert codes(desk.venue) == ["ANSWER_OVERDUE"]


def test_orders_at_work_are_nothing_to_be_told_of(desk: Desk):
    desk.working()
    orders_overdue_alert(at=later(3600))
    assert codes(desk.venue) == []


def test_a_person_resolves_an_alert_once_and_the_log_names_them(desk: Desk):
    desk.sent()
    mark_unknown(desk)
    orders_overdue_alert(at=later(61))
    (alert,) = VenueAlert.objects.filter(venue=desk.venue)
    who = Actor.user(uuid7())
    assert [alerts_resolve(alert_ids=[alert.id], by=who, at=clock.now()) for _ in range(2)] == [1, 0]
    assert events_of_stream(f"venue:{desk.venue}")[-1].actor == str(who)


# The two sides compared


class Telling(FaultyAdapter):
    """A paper venue behind an adapter that also tells what it has."""

    async def open_orders(self):
        return await self._adapter.open_orders()

    async def traded(self):
        return await self._adapter.traded()


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Venue]:
    monkeypatch.setattr(reconciler, "COMPARE_SECONDS", 0.2)
    monkeypatch.setattr(reconciler, "TURN_SECONDS", 0.1)
    for name in ("OPEN_SECONDS", "TRADED_SECONDS", "AGAIN_SECONDS"):
        monkeypatch.setattr(surveyor, name, 0.2)
    monkeypatch.setattr(surveyor, "SETTLED", timedelta(seconds=0.2))
    made = Venue()
    yield made
    made.close()


def hosted(venue: Venue) -> Telling:
    adapter = Telling(venue.adapter())
    venue.host(lambda: adapter)
    return adapter


def resting(venue: Venue) -> UUID:
    (order_id,) = venue.place(limit="95")
    venue.until_base([order_id], "new")
    return order_id


def test_an_order_that_only_we_have_open_is_asked_about_and_closed(venue: Venue):
    adapter = hosted(venue)
    order_id = resting(venue)
    adapter.loses_reports = True
    venue.cancel(order_id)
    # Its report is lost, and the drop copy counts as read beyond it: only the comparison can find out.
    until(lambda: PaperReport.objects.filter(order_id=order_id, kind="canceled").exists())
    venue.until_base([order_id], "canceled")
    assert codes(venue.name) == []


def test_an_order_that_only_we_have_open_and_the_venue_cannot_explain_is_told_of(venue: Venue):
    hosted(venue)
    order_id = resting(venue)
    PaperOrder.objects.filter(order_id=order_id).update(state="canceled")
    until(lambda: codes(venue.name) == ["OPEN_HERE_NOT_THERE"])
    PaperOrder.objects.filter(order_id=order_id).update(state="open")
    until(lambda: codes(venue.name) == [])


def test_an_order_that_only_the_venue_has_open_is_told_of(venue: Venue):
    order_id = resting_elsewhere(venue)
    hosted(venue)
    until(lambda: codes(venue.name) == ["OPEN_THERE_NOT_HERE"])
    assert VenueAlert.objects.get(venue=venue.name).subject == str(order_id)


def resting_elsewhere(venue: Venue) -> UUID:
    """Give the venue an order that nobody here knows."""
    found = PaperOrder(
        order_id=uuid7(),
        venue=venue.name,
        arrival=1,
        symbol=venue.symbol,
        side="buy",
        type="limit",
        time_in_force="gtc",
        quantity=1,
        limit_price=5,
        state="open",
        received_at=clock.now(),
    )
    found.save()
    return found.order_id


def test_a_sum_traded_that_differs_is_told_of_until_it_agrees(venue: Venue):
    hosted(venue)
    (order_id,) = venue.place()
    venue.until_base([order_id], "filled")
    theirs = PaperOrder.objects.filter(order_id=order_id)
    theirs.update(filled_quantity=F("filled_quantity") + 1, quantity=F("quantity") + 1)
    until(lambda: codes(venue.name) == ["POSITION_DIFFERS"])
    facts = VenueAlert.objects.get(venue=venue.name).facts
    assert Decimal(facts["theirs"]) - Decimal(facts["ours"]) == 1
    theirs.update(filled_quantity=F("filled_quantity") - 1)
    until(lambda: codes(venue.name) == [])
    assert told(venue.name) == ["alert_raised", "alert_resolved"]
