"""Closing positions over the API: one order for each, never more than is held and free."""

from decimal import Decimal

import orjson
import pytest
from rest_framework.test import APIRequestFactory

from orders.api.closing import ClosablePosition, ClosablePositions
from orders.domain.reports import ReportKind
from orders.services import closing
from orders.services.closing import orders_clear
from orders.tests.api import assert_problem, new_caller
from orders.tests.desk import Desk
from positions.domain.types import Side
from positions.tests.helpers import BY, new_account
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7


@pytest.fixture
def desk():
    return Desk(cash="1000000")


@pytest.fixture
def caller(desk):
    return new_caller(account_id=desk.account)


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch):
    monkeypatch.setattr(closing, "WAIT_SECONDS", 0.05)


def bought(desk, quantity="10"):
    order_id = desk.working(quantity=quantity)
    desk.record(desk.trade(order_id, quantity))
    desk.show()


def test_a_position_is_closed_by_one_market_order_for_all_of_it(desk, caller):
    bought(desk)
    response = caller.delete(f"/v2/positions/{desk.symbol}")
    assert response.status_code == 200, response.content
    order = response.json()
    assert (order["side"], order["type"], order["qty"], order["time_in_force"]) == ("sell", "market", "10", "day")
    assert desk.reserved(order["id"]) == 10


@pytest.mark.parametrize(
    ("query", "quantity"), [("qty=4", "4"), ("percentage=25", "2"), ("percentage=100", "10"), ("percentage=99.9", "9")]
)
def test_a_part_of_a_position_is_closed_rounded_down_to_whole_lots(desk, caller, query, quantity):
    bought(desk)
    assert caller.delete(f"/v2/positions/{desk.symbol}?{query}").json()["qty"] == quantity


@pytest.mark.parametrize("query", ["qty=0", "qty=x", "percentage=101", "qty=1&percentage=5", "qty=11", "percentage=1"])
def test_what_cannot_be_closed_is_refused_and_nothing_is_placed(desk, caller, query):
    bought(desk)
    assert_problem(caller.delete(f"/v2/positions/{desk.symbol}?{query}"), 422, 42210000)
    assert caller.get("/v2/orders").json() == []


def test_a_position_that_is_not_there_is_not_found(desk, caller):
    assert_problem(caller.delete(f"/v2/positions/{desk.symbol}"), 404, 40410000)
    assert_problem(caller.delete(f"/v2/positions/{uuid7()}"), 404, 40410000)


def test_the_documented_views_close_as_their_addresses_do(desk, caller):
    bought(desk)
    factory = APIRequestFactory()
    one = ClosablePosition.as_view()(factory.delete("/?qty=4", headers=caller.headers), symbol_or_id=desk.symbol)
    assert (one.status_code, orjson.loads(one.content)["qty"]) == (200, "4")
    rest = ClosablePositions.as_view()(factory.delete("/", headers=caller.headers))
    (refused,) = orjson.loads(rest.content)
    assert (rest.status_code, refused["status"], refused["body"]["available"]) == (207, 403, "6")


def test_what_an_order_is_selling_already_is_not_sold_twice(desk, caller):
    bought(desk)
    desk.sent(side=Side.SELL, quantity="6", limit_price="105")
    problem = assert_problem(caller.delete(f"/v2/positions/{desk.instrument.id}"), 403, 40310000)
    assert (problem["existing_qty"], problem["held_for_orders"], problem["available"]) == ("10", "6", "4")
    assert caller.delete(f"/v2/positions/{desk.symbol}?qty=4").status_code == 200


def test_a_repeat_under_the_same_key_is_the_same_order_though_the_position_is_gone(desk, caller):
    bought(desk)
    first = caller.delete(f"/v2/positions/{desk.symbol}", **{"Idempotency-Key": "close-1"}).json()
    again = caller.delete(f"/v2/positions/{desk.symbol}", **{"Idempotency-Key": "close-1"})
    assert (again.status_code, again.json()["id"]) == (200, first["id"])


def test_all_positions_are_closed_and_each_answers_for_itself(desk, caller):
    other = Desk()
    other.accounts = [desk.account]
    bought(desk)
    bought(other, "7")
    desk.sent(side=Side.SELL, quantity="10", limit_price="105")
    response = caller.delete("/v2/positions")
    assert response.status_code == 207
    answers = {answer["symbol"]: answer for answer in response.json()}
    assert (answers[desk.symbol]["status"], answers[other.symbol]["status"]) == (403, 200)
    assert answers[desk.symbol]["body"]["available"] == "0"
    assert answers[other.symbol]["order_id"] == answers[other.symbol]["body"]["id"]


def test_orders_are_cancelled_first_when_that_is_asked_for(desk, caller):
    bought(desk)
    unsent = desk.accepted(side=Side.SELL, quantity="10", limit_price="105")
    (answer,) = caller.delete("/v2/positions?cancel_orders=true").json()
    assert (desk.status(unsent), answer["status"], answer["body"]["qty"]) == ("canceled", 200, "10")


def test_a_position_whose_orders_a_venue_does_not_let_go_of_is_refused(desk, caller):
    bought(desk)
    working = desk.working(side=Side.SELL, quantity="10", limit_price="105")
    (answer,) = caller.delete("/v2/positions?cancel_orders=true").json()
    assert (desk.status(working), answer["status"]) == ("pending_cancel", 403)
    desk.record(desk.report(working, ReportKind.CANCELED))
    assert caller.delete("/v2/positions").json()[0]["status"] == 200


def test_waiting_for_cancels_ends_when_the_last_order_is_gone(desk):
    assert orders_clear(account_id=new_account(), by=BY, correlation_id=uuid7(), at=clock.now())
    desk.working()
    given = {"account_id": desk.account, "by": BY, "correlation_id": uuid7(), "at": clock.now()}
    assert not orders_clear(**given, seconds=0.05)


def test_a_short_position_is_bought_back(desk):
    position = closing.OpenPosition(instrument=desk.instrument, quantity=Decimal(-5), committed=Decimal(2))
    order = closing.closing_order(position, Decimal(5), client_order_id=None)
    assert (order.side, order.quantity, position.available) == (Side.BUY, 5, 3)


def test_no_positions_to_close_is_an_empty_answer(caller):
    response = caller.delete("/v2/positions")
    assert (response.status_code, response.json()) == (207, [])
