"""One set of structural rules: each refuses with the same code whichever way an order comes, and risk agrees."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from orders.domain.breaker import BreakerState
from orders.domain.forms import order_rules
from orders.domain.parsing import CLIENT_ORDER_ID_LIMIT, VENUE_LIMIT, parse_order
from orders.domain.types import OrderType, TimeInForce
from orders.models import Breaker, Order, OrderVersion, VenueRoute
from orders.tests.api import Caller, new_caller
from orders.tests.desk import Desk, rows
from orders.tests.rulebook import GONE, RULES, STOP, body_of, codes_of
from orders.tests.test_pages import Browser, browser_of
from risk.domain.rules.structural import fault
from risk.domain.types import OrderIntent
from risk.domain.words import RESTING_TIMES
from risk.tests.builders import intent
from trading_portal.kernel import clock
from trading_portal.kernel.money import AMOUNT_LIMIT

# What FIX cannot say, or says in words of its own.
RULES_BEYOND_FIX: list[tuple[dict[str, Any], str]] = [
    ({"type": "iceberg"}, "FIELD_NOT_A_CHOICE"),
    ({"side": "hold"}, "FIELD_NOT_A_CHOICE"),
    ({"good_till": GONE}, "GOOD_TILL_NEEDS_GTC"),
    ({"color": "red"}, "FIELD_UNKNOWN"),
    ({"order_class": "bracket"}, "LEGS_INCOMPLETE"),
    ({"order_class": "oto", "stop_loss": {"stop_price": "99.5"}}, "LEGS_CROSSED"),
    ({"take_profit": {"limit_price": "120"}}, "LEGS_NEED_A_CLASS"),
    ({**STOP, "algorithm": "twap"}, "ALGORITHM_NEEDS_A_PLAIN_ORDER"),
]


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk()


@pytest.fixture(scope="module")
def caller(desk: Desk) -> Caller:
    return new_caller(account_id=desk.account)


@pytest.fixture(scope="module")
def browser(desk: Desk) -> Browser:
    return browser_of(desk.account)


def refusals(desk: Desk, caller: Caller, browser: Browser, body: dict[str, Any]) -> dict[str, list[str]]:
    """Return the codes with which each way of HTTP refuses an order."""
    asked = {**body, "account_id": str(desk.account)}
    answers = {
        "order": caller.post("/v2/orders", body),
        "preview": caller.post("/v2/orders/preview", body),
        "page": browser.post("/orders/commands", asked),
        "page's preview": browser.post("/orders/preview", asked),
    }
    assert {name: each.status_code for name, each in answers.items()} == dict.fromkeys(answers, 422)
    bulk = caller.post("/v2/orders/bulk", {"orders": [body]})
    assert bulk.status_code == 200
    (result,) = bulk.json()["results"]
    assert result["status"] == 422
    return {**{name: codes_of(each.json()) for name, each in answers.items()}, "bulk": codes_of(result["error"])}


@pytest.mark.parametrize(("changes", "code"), RULES + RULES_BEYOND_FIX, ids=str)
def test_a_rule_refuses_alike_whichever_way_an_order_comes(
    desk: Desk, caller: Caller, browser: Browser, changes: dict[str, Any], code: str
) -> None:
    stored = rows("SELECT count(*) FROM orders_order WHERE account_id = %s", desk.account)
    told = refusals(desk, caller, browser, body_of(desk, changes))
    assert code in told["order"]
    assert told == dict.fromkeys(told, told["order"])
    assert rows("SELECT count(*) FROM orders_order WHERE account_id = %s", desk.account) == stored


def test_a_venue_that_an_account_may_not_name_is_refused_alike(
    desk: Desk, caller: Caller, browser: Browser, settings: Any
) -> None:
    settings.VENUES_OPEN_TO_ALL = []
    told = refusals(desk, caller, browser, body_of(desk, {"venue": "paper"}))
    assert told == {way: ["VENUE_NOT_ALLOWED"] for way in told}


def test_a_preview_looks_at_the_venue_that_the_order_would_go_to() -> None:
    desk = Desk()
    caller = new_caller(account_id=desk.account)
    VenueRoute.objects.create(account_id=desk.account, asset_class="", venue=desk.venue)
    assert caller.post("/v2/orders/preview", body_of(desk, {})).json()["approved"] is True
    Breaker.objects.create(venue=desk.venue, state=BreakerState.OPEN.value, changed_at=clock.now())
    preview = caller.post("/v2/orders/preview", body_of(desk, {})).json()
    assert [why["code"] for why in preview["reasons"]] == ["BROKER_UNAVAILABLE"]
    assert codes_of(caller.post("/v2/orders", body_of(desk, {})).json()) == ["BROKER_UNAVAILABLE"]


# Risk, which believes nobody


PRICES = ("limit_price", "stop_price", "trail_price", "trail_percent")


@pytest.mark.parametrize("order_type", list(OrderType))
def test_the_parser_and_risk_agree_on_which_prices_a_type_has(order_type: OrderType) -> None:
    for given in product((False, True), repeat=len(PRICES)):
        prices = {name: Decimal(5) for name, is_given in zip(PRICES, given, strict=True) if is_given}
        body = {"symbol": "AAPL", "side": "buy", "type": order_type.value, "time_in_force": "day", "qty": "1"}
        read = parse_order({**body, **prices})
        assert isinstance(read, list) == (fault(intent_with(order_type, prices)) is not None), (prices, read)


@pytest.mark.parametrize("amount", [Decimal(0), Decimal(-1), AMOUNT_LIMIT, AMOUNT_LIMIT - 1])
@pytest.mark.parametrize("name", ["qty", "limit_price"])
def test_the_parser_and_risk_agree_on_what_an_amount_is(name: str, amount: Decimal) -> None:
    said = {"qty": Decimal(1), "limit_price": Decimal(1), name: amount}
    body = {"symbol": "AAPL", "side": "buy", "type": "limit", "time_in_force": "day", **said}
    found = fault(intent_with(OrderType.LIMIT, {"limit_price": said["limit_price"]}, said["qty"]))
    assert isinstance(parse_order(body), list) == (found is not None)


def intent_with(order_type: OrderType, prices: dict[str, Decimal], quantity: Decimal = Decimal(1)) -> OrderIntent:
    return replace(
        intent(), order_type=order_type.value, quantity=quantity, **{"limit_price": None, "stop_price": None, **prices}
    )


# Columns and pages


def test_columns_hold_what_the_parser_takes_and_no_more() -> None:
    lengths = {model: model._meta.get_field("client_order_id").max_length for model in (Order, OrderVersion)}
    assert set(lengths.values()) == {CLIENT_ORDER_ID_LIMIT}
    assert Order._meta.get_field("venue").max_length == VENUE_LIMIT
    checks = " ".join(str(each.condition) for each in Order._meta.constraints if hasattr(each, "condition"))
    assert f"'quantity__lt', {int(AMOUNT_LIMIT)}" in checks
    assert f"'limit_price__lt', {int(AMOUNT_LIMIT)}" in checks


def test_what_a_page_is_told_of_types_and_times_is_what_the_parser_takes() -> None:
    told: dict[str, Any] = order_rules()
    for order_type, time_in_force in product(OrderType, TimeInForce):
        prices = {"limit_price": told["with_limit"], "stop_price": told["with_stop"], "trail_price": told["with_trail"]}
        body = {"symbol": "AAPL", "side": "buy", "type": order_type.value, "time_in_force": time_in_force.value}
        given = {name: "5" for name, types in prices.items() if order_type in types}
        is_offered = time_in_force in (told["times"] if order_type in told["plain_types"] else told["resting_times"])
        assert isinstance(parse_order({**body, **given, "qty": "1"}), list) != is_offered, (order_type, time_in_force)
        is_extended = order_type in told["extended_types"] and time_in_force in RESTING_TIMES
        extended = parse_order({**body, **given, "qty": "1", "extended_hours": True})
        assert isinstance(extended, list) != is_extended, (order_type, time_in_force)


def test_numbers_are_written_as_pages_are_told() -> None:
    told: dict[str, Any] = order_rules()
    longest = f"{'9' * told['whole_digits']}.{'9' * told['places']}"
    body = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day"}
    assert not isinstance(parse_order({**body, "qty": longest}), list)
    assert isinstance(parse_order({**body, "qty": f"{longest}9"}), list)
    assert isinstance(parse_order({**body, "qty": f"9{longest}"}), list)


@pytest.mark.parametrize("page", ["/", "order"])
def test_a_page_that_orders_carries_the_rules(desk: Desk, browser: Browser, page: str) -> None:
    path = page if page == "/" else f"/orders/{desk.accepted(account_id=desk.account)}"
    text = browser.client.get(path, follow=True).content.decode()
    assert '<script id="order-rules" type="application/json">' in text
    assert '"auctions": ["opg", "cls"]' in text
