"""Sending: the intent is stored before the call, one worker speaks, and nothing overtakes within an order."""

from datetime import timedelta

import pytest

from orders import services
from orders.domain.errors import LeaseLost
from orders.domain.reports import ReportKind
from orders.domain.types import IntentKind
from orders.models import VenueIntent, VenueLease
from orders.tests.desk import Desk
from risk.services import kill_switch_latch
from risk.tests.helpers import officer
from trading_portal.kernel import clock


@pytest.fixture
def desk():
    return Desk()


def claim(desk, fence, limit=1000):
    return services.venue_claim(venue=desk.venue, fence=fence, limit=limit, at=clock.now())


def test_what_is_claimed_is_stored_as_sent_and_is_not_handed_out_again(desk):
    order_id = desk.accepted(quantity="5")
    (message,) = desk.claim()
    assert (message.order_id, message.kind, message.attempt, message.quantity) == (order_id, "submit", 1, 5)
    assert (desk.status(order_id), desk.intents(order_id)) == ("pending_new", [("submit", "sent")])
    assert desk.events(order_id) == ["accepted", "routed"]
    assert desk.claim() == []


def test_the_oldest_is_claimed_first_and_no_more_than_asked(desk):
    placed = [desk.accepted() for _ in range(5)]
    assert [message.order_id for message in desk.claim(limit=3)] == placed[:3]
    assert [message.order_id for message in desk.claim(limit=3)] == placed[3:]


def test_what_is_not_due_yet_waits(desk):
    order_id = desk.accepted()
    later = clock.now() + timedelta(hours=1)
    VenueIntent.objects.filter(order_id=order_id).update(due_at=later)
    assert desk.claim() == []
    assert len(desk.claim(at=later)) == 1


def test_a_cancel_waits_for_the_submit_that_is_to_be_sent_again(desk):
    order_id = desk.sent()
    desk.cancel(order_id)
    assert desk_retry(desk, order_id) == 1
    assert [message.kind for message in desk.claim()] == ["submit"]
    assert [message.kind for message in desk.claim()] == ["cancel"]


def desk_retry(desk, order_id, kind=IntentKind.SUBMIT):
    return services.sends_retry(venue=desk.venue, order_ids=[order_id], kinds=[kind], fence=None, at=clock.now())


def test_a_submit_sent_again_says_so_and_makes_no_second_event(desk):
    order_id = desk.sent()
    desk_retry(desk, order_id)
    (message,) = desk.claim()
    assert message.attempt == 2
    assert desk.events(order_id) == ["accepted", "routed"]


def test_a_submit_is_not_sent_again_once_its_scope_was_killed(desk):
    order_id = desk.sent()
    desk_retry(desk, order_id)
    kill_switch_latch(
        account_id=desk.account, instrument_id=None, venue="", reason="test", by=officer(), at=clock.now()
    )
    desk.cancel(order_id)
    assert desk.claim() == []
    assert (desk.status(order_id), desk.reserved(order_id)) == ("rejected", None)
    assert desk.intents(order_id) == [("submit", "dropped"), ("cancel", "dropped")]


def test_only_the_holder_of_the_lease_can_claim_and_record(desk):
    order_id = desk.accepted()
    old = services.lease_acquire(venue=desk.venue, holder="old")
    assert services.lease_acquire(venue=desk.venue, holder="new") is None
    VenueLease.objects.filter(venue=desk.venue).update(
        renewed_at=clock.now() - timedelta(days=1), expires_at=clock.now() - timedelta(hours=1)
    )
    with pytest.raises(LeaseLost):
        claim(desk, old)
    new = services.lease_acquire(venue=desk.venue, holder="new")
    assert new == old + 1
    assert not services.lease_renew(venue=desk.venue, holder="old", fence=old)
    with pytest.raises(LeaseLost):
        claim(desk, old)
    assert [message.order_id for message in claim(desk, new)] == [order_id]
    report = desk.report(order_id, ReportKind.NEW)
    with pytest.raises(LeaseLost):
        services.executions_record(venue=desk.venue, reports=[report], fence=old, at=clock.now())
    assert desk.status(order_id) == "pending_new"
    assert services.executions_record(venue=desk.venue, reports=[report], fence=new, at=clock.now()).recorded == 1


def test_a_lease_given_back_is_free_at_once(desk):
    fence = services.lease_acquire(venue=desk.venue, holder="one")
    assert services.lease_release(venue=desk.venue, holder="one", fence=fence)
    assert services.lease_acquire(venue=desk.venue, holder="two") == fence + 1


def mark(desk, fence=None):
    return services.orders_unknown_mark(venue=desk.venue, sent_before=clock.now(), fence=fence, at=clock.now())


def test_silence_makes_an_order_unknown_and_nothing_else(desk):
    order_id = desk.sent(quantity="5")
    assert mark(desk) == [order_id]
    order = desk.order(order_id)
    assert (order.is_unknown, order.status, desk.reserved(order_id)) == (True, "pending_new", 5)
    assert mark(desk) == []
    assert desk.events(order_id) == ["accepted", "routed", "unknown"]


def test_an_unknown_order_is_never_sent_again(desk):
    order_id = desk.sent()
    mark(desk)
    assert desk_retry(desk, order_id) == 0


@pytest.mark.parametrize(("kind", "status"), [(ReportKind.NEW, "new"), (ReportKind.REJECTED, "rejected")])
def test_any_authoritative_report_clears_the_doubt(desk, kind, status):
    order_id = desk.sent()
    mark(desk)
    desk.record(desk.report(order_id, kind))
    order = desk.order(order_id)
    assert (order.is_unknown, order.status) == (False, status)


def test_an_unknown_order_that_the_venue_never_heard_of_is_rejected(desk):
    order_id = desk.sent()
    mark(desk)
    desk.record(desk.report(order_id, ReportKind.STATUS_UNKNOWN_ORDER, exec_id=None))
    assert (desk.status(order_id), desk.reserved(order_id)) == ("rejected", None)
    assert [why["code"] for why in desk.order(order_id).reasons] == ["VENUE_NEVER_HEARD"]


def test_an_unknown_order_with_fills_that_the_venue_no_longer_knows_is_cancelled(desk):
    order_id = desk.working(quantity="5")
    desk.record(desk.trade(order_id, "2"))
    desk.cancel(order_id)
    desk.claim()
    assert mark(desk) == [order_id]
    desk.record(desk.report(order_id, ReportKind.STATUS_UNKNOWN_ORDER, exec_id=None))
    assert (desk.status(order_id), desk.order(order_id).filled_quantity) == ("canceled", 2)


def test_an_order_that_is_not_in_doubt_does_not_end_because_a_status_is_unknown(desk):
    order_id = desk.sent()
    outcome = desk.record(desk.report(order_id, ReportKind.STATUS_UNKNOWN_ORDER, exec_id=None))
    assert (outcome.recorded, outcome.parked) == (0, 0)
    assert desk.status(order_id) == "pending_new"


def test_an_answered_message_is_not_silent(desk):
    desk.working()
    assert mark(desk) == []
