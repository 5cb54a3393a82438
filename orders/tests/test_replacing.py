"""Replaces: judged and reserved before the venue is asked, and true whatever the venue answers, in whatever order."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from django.apps import apps
from django.test import Client

from orders import services
from orders.domain.breaker import BreakerState, Line
from orders.domain.commands import ReplaceFields, ReplaceOrder
from orders.domain.reasons import sentence
from orders.domain.reports import ReportKind
from orders.domain.types import IntentKind, OrderType, TimeInForce
from orders.models import OrderVersion
from orders.selectors import order_by_client_order_id, order_by_id, order_now
from orders.services.breaking import Health, venue_health_store
from orders.services.gateway import Gateway
from orders.tests.desk import Desk, rows
from positions.domain.types import Side
from positions.tests.helpers import BY
from risk.domain.types import Mode
from risk.selectors import decision_of
from risk.services import kill_switch_latch, trading_state_set
from risk.tests.helpers import limit_row, officer
from trading_portal.kernel import clock
from trading_portal.kernel.errors import reason
from trading_portal.kernel.ids import uuid7


@pytest.fixture
def desk():
    """Return a desk whose account may put all it has into one name."""
    found = Desk(cash="10000")
    limit_row("concentration", "1", found.account)
    return found


def command(desk, order_id, account_id=None, **changes):
    amounts = ("quantity", "limit_price", "stop_price", "trail")
    given = {name: Decimal(value) if name in amounts else value for name, value in changes.items()}
    return ReplaceOrder(
        order_id=order_id,
        account_id=account_id or desk.account,
        fields=ReplaceFields(**given),
        by=BY,
        correlation_id=uuid7(),
        requested_at=clock.now(),
    )


def ask(desk, order_id, **changes):
    desk.show()
    return services.order_replace(command=command(desk, order_id, **changes), at=clock.now())


def asked(desk, order_id, **changes):
    """Ask for a replace, which must be taken, and have the venue told; return the id it will have."""
    outcome = ask(desk, order_id, **changes)
    assert outcome.status == "requested", outcome
    (message,) = desk.claim()
    assert (message.kind, message.order_id) == (IntentKind.REPLACE, outcome.order.id)
    assert message.terms.version_id == outcome.version.public_id
    return outcome.version.public_id


def replaced(desk, order_id, version_id, quantity, **facts):
    return desk.report(order_id, ReportKind.REPLACED, request_id=version_id, quantity=quantity, **facts)


def held(order_id):
    """Return what an order's reservation holds: units, the price of one, and the limit others would meet."""
    found = rows("SELECT quantity_left, price, limit_price FROM positions_reservation WHERE order_id = %s", order_id)
    return tuple(found[0]) if found else None


def facts_of(order_id, event_type):
    found = rows(
        "SELECT payload::text FROM audit_event WHERE stream = %s AND type = %s ORDER BY sequence",
        f"order:{order_id}",
        event_type,
    )
    return msgspec.json.decode(found[-1][0])


def codes(outcome):
    return [why.code for why in outcome.refusal]


# Asking


def test_a_replace_is_stored_reserved_and_sent_and_the_order_stays_what_it_was(desk):
    order_id = desk.working(quantity="10", limit_price="90")
    outcome = ask(desk, order_id, quantity="12", limit_price="95")
    order = desk.order(order_id)
    assert (outcome.status, order.status, order.quantity, order.limit_price) == ("requested", "pending_replace", 10, 90)
    assert held(order_id) == (12, 95, 95)
    version = outcome.version
    assert (version.status, version.quantity, version.limit_price, version.replaces) == (
        "pending_new",
        12,
        95,
        order_id,
    )
    assert desk.intents(order_id) == [("submit", "settled"), ("replace", "due")]
    told = facts_of(order_id, "order.replace_requested")
    assert told["was"] == {"quantity": "10", "limit_price": "90", "time_in_force": "gtc"}
    assert told["becomes"] == {"quantity": "12", "limit_price": "95", "time_in_force": "gtc"}
    assert (told["request_id"], told["reserved_quantity"], told["reserved_price"]) == (
        str(version.public_id), "12", "95",
    )  # fmt: skip
    assert decision_of(version.public_id).is_approved


def test_a_taken_replace_gives_the_order_its_terms_its_id_and_its_reservation(desk):
    order_id = desk.working(quantity="10", limit_price="90")
    version_id = asked(desk, order_id, quantity="12", limit_price="95", client_order_id="second")
    desk.record(replaced(desk, order_id, version_id, "12"))
    order = desk.order(order_id)
    assert (order.status, order.quantity, order.limit_price, order.worst_price) == ("new", 12, 95, 95)
    assert (order.public_id, order.client_order_id, order.replaces) == (version_id, "second", order_id)
    assert held(order_id) == (12, 95, 95)
    assert desk.intents(order_id) == [("submit", "settled"), ("replace", "settled")]
    assert desk.events(order_id) == ["accepted", "routed", "acknowledged", "replace_requested", "replaced"]
    assert facts_of(order_id, "order.replaced")["version_id"] == str(version_id)


@pytest.mark.parametrize(
    ("asked_for", "reserved"),
    [
        ({"quantity": "5"}, (10, 90, 90)),
        ({"quantity": "15"}, (15, 90, 90)),
        ({"limit_price": "80"}, (10, 90, 90)),
        ({"limit_price": "99"}, (10, 99, 99)),
        ({"quantity": "5", "limit_price": "99"}, (10, 90, 99)),  # 900 before, 495 after
        ({"quantity": "20", "limit_price": "60"}, (20, 60, 90)),  # 900 before, 1200 after
        ({"quantity": "20", "limit_price": "40"}, (20, 45, 90)),  # 900 before, 800 after
        ({"quantity": "7", "limit_price": "100"}, (10, 90, 100)),  # 900 before, 700 after
    ],
    ids=str,
)
def test_the_larger_of_before_and_after_is_reserved_until_the_venue_answers(desk, asked_for, reserved):
    order_id = desk.working(quantity="10", limit_price="90")
    version_id = asked(desk, order_id, **asked_for)
    assert held(order_id) == reserved
    quantity, price = Decimal(asked_for.get("quantity", 10)), Decimal(asked_for.get("limit_price", 90))
    desk.record(replaced(desk, order_id, version_id, str(quantity)))
    assert held(order_id) == (quantity, price, price)


def test_a_rejected_replace_gives_the_reservation_back_and_says_why(desk):
    order_id = desk.working(quantity="10", limit_price="90")
    version_id = asked(desk, order_id, quantity="15", limit_price="95")
    desk.record(desk.report(order_id, ReportKind.REPLACE_REJECTED, request_id=version_id, reason="too late"))
    order = desk.order(order_id)
    assert (order.status, order.quantity, order.public_id, held(order_id)) == ("new", 10, order_id, (10, 90, 90))
    seen = order_by_id(version_id)
    assert (seen.status, seen.quantity, seen.reasons[0]["code"]) == ("rejected", 15, "REPLACE_REJECTED")
    assert facts_of(order_id, "order.replace_rejected")["becomes"]["quantity"] == "15"
    again = asked(desk, order_id, quantity="11")
    assert [v.number for v in OrderVersion.objects.filter(order=order_id).order_by("number")] == [2, 3]
    assert OrderVersion.objects.get(id=again).replaces == order_id  # the last accepted id, not the rejected one


def test_a_sell_reserves_units_and_meets_others_at_its_keener_price(desk):
    desk.record(desk.trade(desk.working(quantity="30"), "30"))
    order_id = desk.working(side=Side.SELL, quantity="10", limit_price="110")
    version_id = asked(desk, order_id, quantity="15", limit_price="105")
    assert held(order_id) == (15, 105, 105)
    desk.record(replaced(desk, order_id, version_id, "15"))
    assert held(order_id) == (15, 105, 105)


def test_a_chain_of_replaces_keeps_every_id(desk):
    order_id = desk.working(quantity="10", limit_price="90", client_order_id=f"a{uuid7()}")
    first_name = desk.order(order_id).client_order_id
    second = asked(desk, order_id, quantity="11")
    desk.record(replaced(desk, order_id, second, "11"), desk.trade(order_id, "4", "90"))
    third = asked(desk, second, limit_price="91", client_order_id=f"c{uuid7()}")
    desk.record(replaced(desk, order_id, third, "11"))
    seen = [order_by_id(each) for each in (order_id, second, third)]
    assert [o.status for o in seen] == ["replaced", "replaced", "partially_filled"]
    assert [o.public_id for o in seen] == [order_id, second, third]
    assert [o.replaces for o in seen] == [None, order_id, second]
    assert [o.replaced_by for o in seen] == [second, third, None]
    assert [(o.quantity, o.limit_price, o.filled_quantity) for o in seen] == [(10, 90, 0), (11, 90, 4), (11, 91, 4)]
    assert all(o.replaced_at is not None for o in seen[:2])
    assert {order_now(each).public_id for each in (order_id, second, third)} == {third}
    assert order_by_client_order_id(desk.account, first_name).public_id == order_id
    assert order_by_client_order_id(desk.account, seen[2].client_order_id).public_id == third
    assert order_by_id(uuid7()) is None


@pytest.mark.parametrize("which", ["first", "second"])
def test_a_cancel_by_any_id_of_the_chain_reaches_the_order(desk, which):
    order_id = desk.working(quantity="10")
    second = asked(desk, order_id, quantity="11")
    desk.record(replaced(desk, order_id, second, "11"))
    outcome = desk.cancel(order_id if which == "first" else second)
    assert (outcome.status, desk.status(order_id)) == ("requested", "pending_cancel")
    assert [message.kind for message in desk.claim()] == ["cancel"]


def test_time_in_force_and_its_end_can_be_changed(desk):
    order_id = desk.working(quantity="10", time_in_force=TimeInForce.DAY)
    ends = desk.order(order_id).expires_at
    assert ends is not None
    version_id = asked(desk, order_id, time_in_force=TimeInForce.GTC)
    desk.record(replaced(desk, order_id, version_id, "10"))
    order = desk.order(order_id)
    assert (order.time_in_force, order.expires_at) == (TimeInForce.GTC, None)
    back = asked(desk, order_id, time_in_force=TimeInForce.DAY)
    desk.record(replaced(desk, order_id, back, "10"))
    assert desk.order(order_id).expires_at == ends


STOP = {"order_type": OrderType.STOP, "limit_price": None, "stop_price": Decimal(105)}
STOP_LIMIT = {"order_type": OrderType.STOP_LIMIT, "limit_price": "106", "stop_price": Decimal(105)}
TRAIL = {"order_type": OrderType.TRAILING_STOP, "limit_price": None}


@pytest.mark.parametrize(
    ("placed", "changes", "now", "price"),
    [
        (STOP, {"stop_price": "106"}, {"stop_price": 106}, "116.6"),
        (STOP_LIMIT, {"stop_price": "104"}, {"stop_price": 104, "limit_price": 106}, "106"),
        (STOP_LIMIT, {"limit_price": "107"}, {"stop_price": 105, "limit_price": 107}, "107"),
        ({**TRAIL, "trail_price": Decimal(5)}, {"trail": "6"}, {"trail_price": 6, "trail_percent": None}, "116.6"),
        ({**TRAIL, "trail_percent": Decimal(5)}, {"trail": "4"}, {"trail_price": None, "trail_percent": 4}, "114.4"),
    ],
    ids=["stop", "stop_limit's stop", "stop_limit's limit", "trail_price", "trail_percent"],
)
def test_stops_and_trails_can_be_moved_and_hold_what_they_may_then_cost(desk, placed, changes, now, price):
    order_id = desk.working(quantity="10", **placed)
    before = desk.order(order_id).worst_price
    version_id = asked(desk, order_id, **changes)
    assert held(order_id)[:2] == (10, max(before, Decimal(price)))
    desk.record(replaced(desk, order_id, version_id, "10"))
    order = desk.order(order_id)
    assert {name: getattr(order, name) for name in now} == now
    assert held(order_id)[:2] == (10, Decimal(price))


# Refusals


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


# Risk


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


# The same request twice


def test_the_same_replace_under_the_same_id_is_the_same_replace(desk):
    order_id = desk.working(quantity="10")
    first = ask(desk, order_id, quantity="11", client_order_id="r1")
    again = ask(desk, order_id, quantity="11", client_order_id="r1")
    assert (again.status, again.is_replay, again.version.public_id) == ("requested", True, first.version.public_id)
    desk.claim()
    desk.record(replaced(desk, order_id, first.version.public_id, "11"))
    later = ask(desk, first.version.public_id, quantity="11", client_order_id="r1")
    assert (later.is_replay, later.version.status) == (True, "new")
    assert OrderVersion.objects.filter(order=order_id).count() == 1


def test_a_client_order_id_names_one_order_or_one_replace(desk):
    order_id = desk.working(quantity="10", client_order_id="mine")
    taken = ask(desk, order_id, quantity="11", client_order_id="mine")
    assert (taken.status, codes(taken)) == ("conflict", ["CLIENT_ORDER_ID_TAKEN"])
    assert ask(desk, order_id, quantity="11", client_order_id="r1").status == "requested"
    assert ask(desk, order_id, quantity="12", client_order_id="r1").status == "conflict"
    placed = desk.place_all([desk.command(quantity="1", client_order_id="r1")])[0]
    assert (placed.status, [why.code for why in placed.refusal]) == ("conflict", ["CLIENT_ORDER_ID_TAKEN"])
    repeat = desk.place_all([desk.command(quantity="10", client_order_id="mine")])[0]
    assert (repeat.status, repeat.is_replay) == ("accepted", True)


def test_a_batch_is_judged_one_after_the_other(desk):
    first, second = desk.working(quantity="40", limit_price="100"), desk.working(quantity="41", limit_price="100")
    desk.show()
    commands = [
        command(desk, first, quantity="59", client_order_id="b1"),
        command(desk, second, quantity="42"),
        command(desk, first, quantity="58"),
        command(desk, first, quantity="59", client_order_id="b1"),
        command(desk, second, quantity="41", limit_price="99"),
    ]
    outcomes = services.orders_replace(commands=commands, at=clock.now())
    assert [outcome.status for outcome in outcomes] == ["requested", "refused", "not_now", "requested", "requested"]
    assert outcomes[3].is_replay
    assert services.orders_replace(commands=[], at=clock.now()) == []


def test_a_risk_officer_finds_an_order_by_any_id_it_had(desk):
    order_id = desk.working(quantity="10")
    version_id = asked(desk, order_id, quantity="11", client_order_id="mine-too")
    desk.record(replaced(desk, order_id, version_id, "11"))
    client = Client()
    client.force_login(apps.get_model("accounts", "User").objects.get(id=officer().id))
    for term in (order_id, version_id, "mine-too"):
        page = client.get("/admin/orders/order/", {"q": str(term)})
        assert (page.status_code, str(order_id) in page.content.decode()) == (200, True), term
    assert str(version_id) in client.get("/admin/orders/orderversion/", {"q": str(order_id)}).content.decode()


def test_an_order_of_which_a_venue_traded_half_a_lot_can_still_be_replaced(desk):
    order_id = desk.working(quantity="11", limit_price="100")
    desk.record(desk.trade(order_id, "5.5"))
    assert ask(desk, order_id, quantity="9").status == "requested"
