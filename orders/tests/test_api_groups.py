"""Brackets and baskets over HTTP: legs under their order or beside it, baskets whole or not at all."""

from decimal import Decimal

import pytest

from orders.domain.commands import StopLoss, TakeProfit
from orders.domain.facts import PAPER_VENUE
from orders.domain.types import OrderClass
from orders.tests.api import assert_problem, new_caller
from orders.tests.desk import Desk, rows


@pytest.fixture
def desk():
    """Return a desk at the venue that the API sends orders to."""
    desk = Desk(cash="10000")
    desk.venue = PAPER_VENUE
    return desk


@pytest.fixture
def caller(desk):
    return new_caller(account_id=desk.account)


def bracket(desk, **changes):
    return {
        "symbol": desk.symbol,
        "qty": "10",
        "side": "buy",
        "type": "limit",
        "limit_price": "100",
        "time_in_force": "gtc",
        "order_class": "bracket",
        "take_profit": {"limit_price": "110"},
        "stop_loss": {"stop_price": "90", "limit_price": "89"},
        **changes,
    }


def limit(desk, quantity, **changes):
    given = {"symbol": desk.symbol, "qty": quantity, "side": "buy", "type": "limit", "time_in_force": "gtc"}
    return {**given, "limit_price": "100", **changes}


def sides(order):
    return [(leg["leg"], leg["side"], leg["type"], leg["status"]) for leg in order["legs"]]


def test_a_placed_bracket_answers_with_its_legs(desk, caller):
    response = caller.post("/v2/orders", bracket(desk, client_order_id="b-1"))
    assert response.status_code == 200, response.content
    order = response.json()
    assert (order["order_class"], order["parent_id"], order["leg"]) == ("bracket", None, None)
    assert sides(order) == [("take_profit", "sell", "limit", "held"), ("stop_loss", "sell", "stop_limit", "held")]
    assert {leg["parent_id"] for leg in order["legs"]} == {order["id"]}
    assert caller.post("/v2/orders", bracket(desk, client_order_id="b-1")).json()["legs"] == order["legs"]


def test_legs_are_listed_flat_or_under_the_order_that_stands_for_them(desk, caller):
    order = caller.post("/v2/orders", bracket(desk)).json()
    legs = [leg["id"] for leg in order["legs"]]
    flat = caller.get("/v2/orders").json()
    assert {each["id"] for each in flat} == {order["id"], *legs}
    assert [each["legs"] for each in flat] == [None] * 3
    (nested,) = caller.get("/v2/orders", nested="true").json()
    assert (nested["id"], [leg["id"] for leg in nested["legs"]]) == (order["id"], legs)
    assert caller.get("/v2/orders", nested="true", status="closed").json() == []
    assert caller.get(f"/v2/orders/{order['id']}", nested="true").json()["legs"] == nested["legs"]
    assert caller.get(f"/v2/orders/{order['id']}").json()["legs"] is None
    assert caller.get(f"/v2/orders/{legs[0]}").json()["parent_id"] == order["id"]


def test_an_order_that_is_done_stays_open_in_the_nested_list_while_its_exits_work():
    desk = Desk(cash="10000")
    caller = new_caller(account_id=desk.account)
    given = {"take_profit": TakeProfit(limit_price=Decimal(110)), "stop_loss": StopLoss(stop_price=Decimal(90))}
    placement = desk.place_all([desk.command(order_class=OrderClass.BRACKET, quantity="10", **given)])[0]
    entry, legs = placement.order.id, [leg.id for leg in placement.legs]
    desk.claim()
    desk.record(desk.trade(entry, "10"))
    assert [each["id"] for each in caller.get("/v2/orders", nested="true").json()] == [str(entry)]
    assert {each["id"] for each in caller.get("/v2/orders").json()} == {str(leg) for leg in legs}
    desk.cancel(legs[0])
    assert caller.get("/v2/orders", nested="true").json() == []
    assert [each["id"] for each in caller.get("/v2/orders", nested="true", status="closed").json()] == [str(entry)]


def test_a_basket_is_refused_whole_and_each_order_is_kept_with_its_reason(desk, caller):
    orders = [limit(desk, "3"), limit(desk, "4", side="sell", client_order_id="culprit"), limit(desk, "5")]
    body = caller.post("/v2/orders/bulk", {"orders": orders, "all_or_none": True}).json()
    assert (body["accepted"], body["refused"]) == (0, 3)
    assert [result["status"] for result in body["results"]] == [403, 403, 403]
    assert [result["order"]["status"] for result in body["results"]] == ["rejected"] * 3
    assert "culprit" in body["results"][0]["error"]["message"]
    codes = [result["error"]["errors"][0]["code"] for result in body["results"]]
    assert (codes[0], codes[2]) == ("BASKET_REFUSED", "BASKET_REFUSED")
    assert codes[1] == "SHORT_NOT_ALLOWED"


def test_a_basket_with_something_that_is_no_order_stores_nothing(desk, caller):
    orders = [limit(desk, "3"), limit(desk, "4", limit_price="NaN"), limit(desk, "5")]
    body = caller.post("/v2/orders/bulk", {"orders": orders, "all_or_none": True}).json()
    assert [result["status"] for result in body["results"]] == [422, 422, 422]
    assert "order 1" in body["results"][0]["error"]["message"]
    assert rows("SELECT count(*) FROM orders_order WHERE account_id = %s", desk.account) == [(0,)]


@pytest.mark.parametrize("last", ["buy", "sell"])
def test_a_basket_under_a_key_is_answered_once(desk, caller, last):
    orders = {"orders": [limit(desk, "3"), limit(desk, "4", side=last)], "all_or_none": True}
    first = caller.post("/v2/orders/bulk", orders, **{"Idempotency-Key": "basket"})
    again = caller.post("/v2/orders/bulk", orders, **{"Idempotency-Key": "basket"})
    assert (again.json(), again["Idempotent-Replayed"]) == (first.json(), "true")
    assert rows("SELECT count(*) FROM orders_order WHERE account_id = %s", desk.account) == [(2,)]


def test_a_bracket_may_stand_in_a_basket(desk, caller):
    body = caller.post("/v2/orders/bulk", {"orders": [bracket(desk), limit(desk, "4")], "all_or_none": True}).json()
    assert [result["status"] for result in body["results"]] == [200, 200]
    assert len(body["results"][0]["order"]["legs"]) == 2


def test_an_exits_leg_cannot_be_what_it_is_not(desk, caller):
    for changes in ({"take_profit": None}, {"stop_loss": {"stop_price": "101"}}, {"time_in_force": "ioc"}):
        assert_problem(caller.post("/v2/orders", bracket(desk, **changes)), 422, 42210000)
