"""What pages ask of everything at once: close positions and cancel all, once, only one's own, each answered."""

from __future__ import annotations

from typing import Any

import pytest

from orders.selectors import orders_recent
from orders.services import closing
from orders.tests.desk import Desk
from orders.tests.test_pages import Browser, browser_of
from positions.domain.types import Side
from trading_portal.kernel.ids import uuid7


@pytest.fixture
def desk() -> Desk:
    return Desk(cash="1000000", accounts=2)


@pytest.fixture
def browser(desk: Desk) -> Browser:
    return browser_of(desk.account)


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "WAIT_SECONDS", 0.05)


def bought(desk: Desk, quantity: str = "10") -> None:
    order_id = desk.working(quantity=quantity)
    desk.record(desk.trade(order_id, quantity))
    desk.show()


def close(browser: Browser, **asked: Any) -> Any:
    return browser.post("/positions/close", {"account_id": str(browser.account_id), "key": str(uuid7()), **asked})


def test_a_position_is_closed_once_however_often_the_same_request_comes(desk: Desk, browser: Browser) -> None:
    bought(desk)
    key = str(uuid7())
    first = close(browser, symbol=desk.symbol, qty="4", key=key)
    assert first.status_code == 202, first.content
    order = first.json()["positions"][0]["order"]
    assert (order["side"], order["type"], order["qty"]) == ("sell", "market", "4")
    again = close(browser, symbol=desk.symbol, qty="4", key=key).json()["positions"][0]["order"]
    assert again["id"] == order["id"]


def test_what_an_order_sells_already_is_not_sold_twice_and_says_why(desk: Desk, browser: Browser) -> None:
    bought(desk)
    desk.sent(side=Side.SELL, quantity="6", limit_price="105")
    answer = close(browser).json()["positions"][0]
    assert answer["symbol"] == desk.symbol
    assert answer["order"]["status"] == "rejected"
    assert answer["message"]


def test_what_was_not_sent_yet_is_cancelled_first_and_then_all_is_closed(desk: Desk, browser: Browser) -> None:
    bought(desk)
    waiting = desk.accepted(side=Side.SELL, quantity="6", limit_price="105")
    answer = close(browser, cancel_orders=True).json()["positions"][0]
    assert answer["order"]["qty"] == "10", answer
    assert browser.client.get(f"/orders/{waiting}/events").json()["events"][-1]["title"] == "Cancelled"


@pytest.mark.parametrize("asked", [{"qty": "11"}, {"qty": "0"}, {"qty": "x"}, {"qty": 4}, {"key": ""}, {"key": None}])
def test_what_cannot_be_closed_is_refused_and_nothing_is_placed(
    desk: Desk, browser: Browser, asked: dict[str, Any]
) -> None:
    bought(desk)
    before = len(orders_recent(browser.account_id, 10))
    assert close(browser, symbol=desk.symbol, **asked).status_code == 422
    assert len(orders_recent(browser.account_id, 10)) == before


def test_every_order_is_cancelled_and_each_is_answered(desk: Desk, browser: Browser) -> None:
    working = desk.working(quantity="3")
    answers = browser.post("/orders/cancel-all", {"account_id": str(browser.account_id)}).json()["orders"]
    assert [(each["order"]["chain_id"], each["status"], each["message"]) for each in answers] == [
        (str(working), "requested", "")
    ]
    assert browser.post("/orders/cancel-all", {"account_id": str(browser.account_id)}).json() == {"orders": []}


def test_another_account_is_as_if_it_were_not_there(desk: Desk, browser: Browser) -> None:
    other = str(desk.accounts[1])
    assert close(browser, account_id=other).status_code == 404
    assert browser.post("/orders/cancel-all", {"account_id": other}).status_code == 404
    assert close(browser, symbol="NOSUCH").status_code == 404
