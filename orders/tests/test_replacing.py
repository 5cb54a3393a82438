"""Replaces: judged and reserved before the venue is asked, and true whatever the venue answers, in whatever order."""

from decimal import Decimal

import pytest
from django.apps import apps
from django.test import Client

from orders import services
from orders.domain.reports import ReportKind
from orders.domain.types import OrderType, TimeInForce
from orders.models import OrderVersion
from orders.selectors import order_by_client_order_id, order_by_id, order_now
from orders.tests.replacing import ask, asked, codes, command, facts_of, held, one_name_desk, replaced
from positions.domain.types import Side
from risk.selectors import decision_of
from risk.tests.helpers import officer
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7


@pytest.fixture
def desk():
    return one_name_desk()


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
