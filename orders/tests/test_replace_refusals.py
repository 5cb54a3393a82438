"""Replaces that are refused: by the order's state, by its terms, and by risk as any order is."""

from datetime import UTC, datetime

import pytest

from orders import services
from orders.domain.breaker import BreakerState, Line
from orders.domain.reasons import sentence
from orders.domain.reports import ReportKind
from orders.domain.types import OrderType, TimeInForce
from orders.models import OrderVersion
from orders.selectors import order_by_client_order_id, order_by_id
from orders.services.breaking import Health, venue_health_store
from orders.services.gateway import Gateway
from orders.tests.desk import Desk, rows
from orders.tests.replacing import ask, asked, codes, command, facts_of, held, one_name_desk, replaced
from positions.domain.types import Side
from risk.domain.types import Mode
from risk.selectors import decision_of
from risk.services import kill_switch_latch, trading_state_set
from risk.tests.helpers import officer
from trading_portal.kernel import clock
from trading_portal.kernel.errors import reason
from trading_portal.kernel.ids import uuid7


@pytest.fixture
def desk():
    return one_name_desk()


def test_what_was_never_sent_or_is_not_acknowledged_is_not_replaced(desk):
    accepted = desk.accepted()
    outcome = ask(desk, accepted, quantity="100")
    assert (outcome.status, codes(outcome)) == ("not_now", ["ORDER_NOT_REPLACEABLE"])
    assert outcome.refusal[0].facts["status"] == "accepted"
    desk.claim()
    assert codes(ask(desk, accepted, quantity="100")) == ["ORDER_NOT_REPLACEABLE"]


def test_while_a_request_is_pending_no_other_is_taken(desk):
    order_id = desk.working(quantity="10")
    version_id = asked(desk, order_id, quantity="11")
    assert codes(ask(desk, order_id, quantity="12")) == ["REPLACE_ALREADY_PENDING"]
    assert codes(ask(desk, version_id, quantity="12")) == ["REPLACE_ALREADY_PENDING"]
    assert desk.cancel(order_id).refusal.code == "CANCEL_ALREADY_PENDING"
    desk.record(desk.report(order_id, ReportKind.REPLACE_REJECTED))
    desk.cancel(order_id)
    assert codes(ask(desk, order_id, quantity="12")) == ["REPLACE_ALREADY_PENDING"]


@pytest.mark.parametrize(("kind", "status"), [(ReportKind.CANCELED, "canceled"), (ReportKind.EXPIRED, "expired")])
def test_an_order_that_ended_is_not_replaced(desk, kind, status):
    order_id = desk.working(quantity="10")
    desk.record(desk.report(order_id, kind))
    outcome = ask(desk, order_id, quantity="12")
    assert (outcome.status, outcome.refusal[0].facts["status"]) == ("not_now", status)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"quantity": "4"}, "QUANTITY_NOT_ABOVE_FILLED"),
        ({"quantity": "3"}, "QUANTITY_NOT_ABOVE_FILLED"),
        ({"quantity": "10.5"}, "QUANTITY_OFF_LOT"),
        ({"limit_price": "90.001"}, "PRICE_OFF_TICK"),
        ({"stop_price": "90"}, "REPLACE_FIELD_NOT_THERE"),
        ({"trail": "1"}, "REPLACE_FIELD_NOT_THERE"),
        ({"quantity": "10"}, "REPLACE_CHANGES_NOTHING"),
        ({"quantity": "10", "limit_price": "100", "time_in_force": TimeInForce.GTC}, "REPLACE_CHANGES_NOTHING"),
        ({"time_in_force": TimeInForce.FOK}, "REPLACE_OF_TIME_IN_FORCE"),
        ({"good_till": datetime(2020, 1, 1, tzinfo=UTC)}, "GOOD_TILL_OUT_OF_RANGE"),
        ({"good_till": datetime(2020, 1, 1, tzinfo=UTC), "time_in_force": TimeInForce.DAY}, "GOOD_TILL_NEEDS_GTC"),
    ],
    ids=str,
)
def test_terms_that_do_not_suit_the_order_are_refused_and_nothing_is_stored(desk, changes, code):
    order_id = desk.working(quantity="10", limit_price="100")
    desk.record(desk.trade(order_id, "4"))
    before = desk.events(order_id)
    outcome = ask(desk, order_id, **changes)
    assert (outcome.status, code in codes(outcome)) == ("invalid", True), outcome.refusal
    assert (desk.events(order_id), held(order_id)) == (before, (6, 100, 100))
    assert not OrderVersion.objects.filter(order=order_id).exists()


def test_a_market_order_has_no_price_to_change(desk):
    order_id = desk.working(quantity="10", order_type=OrderType.MARKET)
    assert codes(ask(desk, order_id, limit_price="100")) == ["REPLACE_FIELD_NOT_THERE"]


def test_another_accounts_order_is_not_found(desk):
    other = Desk()
    order_id = desk.working(quantity="10")
    outcome = services.order_replace(command=command(other, order_id, quantity="12"), at=clock.now())
    assert (outcome.status, desk.status(order_id)) == ("not_found", "new")
    assert ask(desk, uuid7(), quantity="12").status == "not_found"


def test_a_replace_beyond_the_buying_power_is_refused_with_every_reason_and_changes_nothing(desk):
    order_id = desk.working(quantity="50", limit_price="100")
    outcome = ask(desk, order_id, quantity="101", client_order_id="greedy")
    assert (outcome.status, codes(outcome)[0]) == ("refused", "BUYING_POWER_EXCEEDED")
    order = desk.order(order_id)
    assert (order.status, order.quantity, held(order_id)) == ("new", 50, (50, 100, 100))
    assert desk.events(order_id)[-1] == "replace_refused"
    assert desk.claim() == []
    version = OrderVersion.objects.get(order=order_id)
    assert not decision_of(version.id).is_approved
    assert order_by_client_order_id(desk.account, "greedy").status == "rejected"
    again = ask(desk, order_id, quantity="101", client_order_id="greedy")
    assert (again.status, again.is_replay, codes(again)) == ("refused", True, codes(outcome))


def test_its_own_reservation_is_not_counted_against_a_replace(desk):
    order_id = desk.working(quantity="60", limit_price="100")
    assert ask(desk, order_id, quantity="100").status == "requested"
    assert held(order_id) == (100, 100, 100)
    other = desk.place_all([desk.command(quantity="1", limit_price="100")])[0]
    assert "BUYING_POWER_EXCEEDED" in [why.code for why in other.refusal]


def test_the_filled_part_is_paid_and_only_the_rest_is_judged(desk):
    order_id = desk.working(quantity="60", limit_price="100")
    desk.record(desk.trade(order_id, "50"))
    assert "BUYING_POWER_EXCEEDED" in codes(ask(desk, order_id, quantity="101"))
    asked(desk, order_id, quantity="100")
    assert held(order_id) == (50, 100, 100)


def test_a_sell_cannot_be_replaced_beyond_what_is_held(desk):
    desk.record(desk.trade(desk.working(quantity="20"), "20"))
    order_id = desk.working(side=Side.SELL, quantity="10", limit_price="110")
    assert "SHORT_NOT_ALLOWED" in codes(ask(desk, order_id, quantity="21"))
    asked(desk, order_id, quantity="20")


def test_a_replace_that_would_meet_an_own_order_is_refused(desk):
    desk.record(desk.trade(desk.working(quantity="20"), "20"))
    desk.working(side=Side.SELL, quantity="10", limit_price="103")
    order_id = desk.working(quantity="10", limit_price="99")
    assert codes(ask(desk, order_id, limit_price="103")) == ["SELF_TRADE"]
    asked(desk, order_id, limit_price="102")


def state(desk, mode):
    trading_state_set(
        account_id=desk.account, instrument_id=None, state=mode, reason="test", by=officer(), at=clock.now()
    )


def test_a_halted_account_replaces_nothing(desk):
    order_id = desk.working(quantity="10", limit_price="100")
    state(desk, Mode.HALTED)
    assert codes(ask(desk, order_id, quantity="11")) == ["TRADING_HALTED"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"quantity": "9"}, "requested"),
        ({"limit_price": "99"}, "requested"),
        ({"quantity": "11"}, "refused"),
        ({"limit_price": "101"}, "refused"),
        ({"quantity": "9", "limit_price": "101"}, "refused"),
    ],
    ids=str,
)
def test_while_only_exits_are_taken_a_replace_may_only_decrease(desk, changes, status):
    order_id = desk.working(quantity="10", limit_price="100")
    state(desk, Mode.REDUCING)
    outcome = ask(desk, order_id, **changes)
    assert outcome.status == status, outcome
    assert status == "requested" or codes(outcome) == ["TRADING_REDUCING"]


def test_a_replace_counts_towards_the_order_rate_and_not_as_a_duplicate(desk):
    order_id = desk.working(quantity="10", limit_price="90")
    back = asked(desk, order_id, quantity="11")
    desk.record(replaced(desk, order_id, back, "11"))
    before = rows("SELECT counts[1], tenth FROM risk_ordercount WHERE account_id = %s", desk.account)
    assert ask(desk, order_id, quantity="10").status == "requested"
    assert rows("SELECT counts[1], tenth FROM risk_ordercount WHERE account_id = %s", desk.account) != before


def test_a_switch_that_was_latched_meanwhile_stops_the_replace_at_the_gateway(desk):
    order_id = desk.working(quantity="10", limit_price="90")
    version_id = ask(desk, order_id, quantity="12").version.public_id
    kill_switch_latch(
        account_id=desk.account, instrument_id=None, venue="", reason="test", by=officer(), at=clock.now()
    )
    assert desk.claim() == []
    assert (desk.status(order_id), held(order_id)) == ("new", (10, 90, 90))
    assert desk.events(order_id)[-1] == "replace_rejected"
    assert desk.intents(order_id)[-1] == ("replace", "dropped")
    assert order_by_id(version_id).status == "rejected"
    assert desk.cancel(order_id).status == "requested"


def test_an_order_whose_venue_does_not_answer_is_not_replaced(desk):
    order_id = desk.working(quantity="10", limit_price="90")
    away = Health(state=BreakerState.OPEN, opened_by=Line.SEND, cause="TimeoutError")
    venue_health_store(venue=desk.venue, fence=None, health=away, at=clock.now())
    outcome = ask(desk, order_id, quantity="12")
    assert (outcome.status, codes(outcome)) == ("refused", ["BROKER_UNAVAILABLE"])
    assert (desk.status(order_id), held(order_id)) == ("new", (10, 90, 90))


def test_a_venue_that_fell_away_meanwhile_is_asked_for_nothing_new(desk):
    order_id = desk.working(quantity="10", limit_price="90")
    assert ask(desk, order_id, quantity="12").status == "requested"
    away = Gateway(refusal=reason("BROKER_UNAVAILABLE", venue=desk.venue))
    assert services.venue_claim(venue=desk.venue, fence=None, limit=10, gateway=away, at=clock.now()) == []
    assert (desk.status(order_id), held(order_id)) == ("new", (10, 90, 90))
    version = OrderVersion.objects.get(order=order_id)
    assert [why["code"] for why in order_by_id(version.id).reasons] == ["BROKER_UNAVAILABLE"]
    assert facts_of(order_id, "order.replace_rejected")["text"] == sentence("BROKER_UNAVAILABLE", {"venue": desk.venue})
