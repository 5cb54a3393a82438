"""Order types, times in force, legs, trails, amounts and algorithms: what may stand together, and where."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from marketdata.tests.support import facts as instrument
from orders.domain.commands import OrderFields, ReplaceFields, Schedule, StopLoss, TakeProfit
from orders.domain.grid import instrument_reasons
from orders.domain.parsing import parse_order, parse_replace, timing_reasons
from orders.domain.reasons import SENTENCES, sentence
from orders.domain.types import Algorithm, OrderClass, OrderType, TimeInForce

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
SHARE = instrument(asset_class="us_equity", lot_size=Decimal(1), calendar="XNYS", is_fractionable=True)
WHOLE = instrument(asset_class="us_equity", lot_size=Decimal(1), calendar="XNYS")
COIN = instrument()
BASE = {"symbol": "AAPL", "side": "buy", "time_in_force": "day", "qty": "10"}
MARKET = {**BASE, "type": "market"}
LIMIT = {**BASE, "type": "limit", "limit_price": "100"}
STOP = {**BASE, "type": "stop", "stop_price": "110"}
STOP_LIMIT = {**STOP, "type": "stop_limit", "limit_price": "111"}
TRAIL = {**BASE, "type": "trailing_stop", "trail_percent": "2.5"}
BRACKET = {
    **LIMIT, "order_class": "bracket", "take_profit": {"limit_price": "120"},
    "stop_loss": {"stop_price": "90", "limit_price": "89"},
}  # fmt: skip
OCO = {
    **BASE, "side": "sell", "type": "limit", "time_in_force": "gtc", "order_class": "oco",
    "take_profit": {"limit_price": "120"}, "stop_loss": {"stop_price": "90"},
}  # fmt: skip


def parsed(body: dict[str, Any]) -> OrderFields:
    found = parse_order(body)
    assert isinstance(found, OrderFields), found
    return found


def codes(body: dict[str, Any]) -> list[str]:
    found = parse_order(body)
    assert isinstance(found, list), found
    assert all(why.code in SENTENCES and "{" not in sentence(why.code, why.facts) for why in found)
    return [why.code for why in found]


def without(body: dict[str, Any], *names: str, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**body, **changes}.items() if name not in names}


@pytest.mark.parametrize("time_in_force", ["day", "gtc"])
@pytest.mark.parametrize("body", [MARKET, LIMIT, STOP, STOP_LIMIT, TRAIL])
def test_every_type_may_be_for_the_day_or_until_cancelled(body: dict[str, Any], time_in_force: str) -> None:
    found = parsed({**body, "time_in_force": time_in_force})
    assert (found.order_type, found.time_in_force) == (OrderType(body["type"]), TimeInForce(time_in_force))


@pytest.mark.parametrize("time_in_force", ["ioc", "fok", "opg", "cls"])
def test_only_market_and_limit_orders_go_for_an_instant_or_an_auction(time_in_force: str) -> None:
    for body in (MARKET, LIMIT):
        assert parsed({**body, "time_in_force": time_in_force}).time_in_force == time_in_force
    for body in (STOP, STOP_LIMIT, TRAIL):
        assert codes({**body, "time_in_force": time_in_force}) == ["TIME_IN_FORCE_NOT_FOR_TYPE"]


def test_the_prices_of_a_type_are_kept() -> None:
    found = parsed(STOP_LIMIT)
    assert (found.stop_price, found.limit_price) == (Decimal(110), Decimal(111))
    assert parsed(TRAIL).trail_percent == Decimal("2.5")
    assert parsed(without(TRAIL, "trail_percent", trail_price="1.25")).trail_price == Decimal("1.25")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (without(LIMIT, "limit_price"), ["LIMIT_PRICE_REQUIRED"]),
        (without(STOP, "stop_price"), ["STOP_PRICE_REQUIRED"]),
        (without(STOP_LIMIT, "stop_price", "limit_price"), ["LIMIT_PRICE_REQUIRED", "STOP_PRICE_REQUIRED"]),
        ({**MARKET, "stop_price": "9"}, ["STOP_PRICE_NOT_ALLOWED"]),
        ({**LIMIT, "stop_price": "9"}, ["STOP_PRICE_NOT_ALLOWED"]),
        ({**STOP, "limit_price": "9"}, ["LIMIT_PRICE_NOT_ALLOWED"]),
        ({**TRAIL, "stop_price": "9"}, ["STOP_PRICE_NOT_ALLOWED"]),
        ({**TRAIL, "limit_price": "9"}, ["LIMIT_PRICE_NOT_ALLOWED"]),
        (without(TRAIL, "trail_percent"), ["TRAIL_REQUIRED"]),
        ({**TRAIL, "trail_price": "1"}, ["TRAIL_REQUIRED"]),
        ({**TRAIL, "trail_percent": "100"}, ["FIELD_TOO_LARGE"]),
        ({**TRAIL, "trail_percent": "-1"}, ["FIELD_NOT_POSITIVE"]),
        ({**LIMIT, "trail_price": "1"}, ["TRAIL_NOT_ALLOWED"]),
        ({**MARKET, "notional": "100"}, ["QTY_OR_NOTIONAL"]),
        (without(MARKET, "qty"), ["FIELD_REQUIRED"]),
        (without(STOP, "qty", notional="100"), ["NOTIONAL_NOT_ALLOWED"]),
        ({**MARKET, "extended_hours": True}, ["EXTENDED_HOURS_NEEDS_A_LIMIT"]),
        ({**LIMIT, "extended_hours": True, "time_in_force": "opg"}, ["EXTENDED_HOURS_NEEDS_A_LIMIT"]),
        ({**LIMIT, "good_till": "2026-12-01T00:00:00Z"}, ["GOOD_TILL_NEEDS_GTC"]),
        ({**LIMIT, "time_in_force": "gtc", "good_till": "2026-12-01"}, ["FIELD_NOT_AN_INSTANT"]),
        ({**LIMIT, "time_in_force": "gtc", "good_till": "2026-13-01T00:00:00Z"}, ["FIELD_NOT_AN_INSTANT"]),
        ({**LIMIT, "time_in_force": "gtc", "good_till": "2026-12-01T00:00:00"}, ["FIELD_NOT_AN_INSTANT"]),
        ({**LIMIT, "time_in_force": "gtc", "good_till": 5}, ["FIELD_NOT_TEXT"]),
        ({**LIMIT, "take_profit": {"limit_price": "120"}}, ["LEGS_NEED_A_CLASS"]),
        (without(BRACKET, "stop_loss"), ["LEGS_INCOMPLETE"]),
        ({**BRACKET, "order_class": "oto"}, ["LEGS_INCOMPLETE"]),
        ({**BRACKET, "time_in_force": "ioc"}, ["LEGS_TIME_IN_FORCE"]),
        ({**OCO, "time_in_force": "cls"}, ["LEGS_TIME_IN_FORCE"]),
        ({**BRACKET, "extended_hours": True}, ["LEGS_ALONE"]),
        (without(BRACKET, "qty", notional="100"), ["LEGS_ALONE"]),
        ({**TRAIL, "order_class": "oto", "stop_loss": {"stop_price": "1"}}, ["LEGS_TYPE"]),
        (without(OCO, type="market"), ["LEGS_TYPE"]),
        ({**BRACKET, "take_profit": {"limit_price": "100"}}, ["LEGS_CROSSED"]),
        ({**BRACKET, "stop_loss": {"stop_price": "100"}}, ["LEGS_CROSSED"]),
        ({**BRACKET, "side": "sell"}, ["LEGS_CROSSED", "LEGS_CROSSED"]),
        ({**OCO, "side": "buy"}, ["LEGS_CROSSED"]),
        ({**BRACKET, "take_profit": "120"}, ["FIELD_NOT_AN_OBJECT"]),
        ({**BRACKET, "take_profit": {"limit_price": "x"}}, ["FIELD_NOT_A_NUMBER"]),
        ({**BRACKET, "take_profit": {"limit_price": "120", "stop_price": "1"}}, ["FIELD_UNKNOWN"]),
        ({**BRACKET, "stop_loss": {"limit_price": "90"}}, ["FIELD_REQUIRED"]),
        ({**OCO, "limit_price": "121"}, ["OCO_LIMIT_PRICES_DIFFER"]),
        ({**LIMIT, "algorithm": "dma"}, ["FIELD_NOT_A_CHOICE"]),
        ({**LIMIT, "algorithm": {"slices": 2}}, ["FIELD_REQUIRED"]),
        ({**LIMIT, "algorithm": {"name": "twap", "slices": "2.5"}}, ["FIELD_NOT_A_COUNT"]),
        ({**LIMIT, "algorithm": {"name": "twap", "slices": 1001}}, ["FIELD_NOT_A_COUNT"]),
        ({**LIMIT, "algorithm": {"name": "twap", "start": 1}}, ["FIELD_UNKNOWN"]),
        ({**LIMIT, "algorithm": "twap", "time_in_force": "ioc"}, ["ALGORITHM_NEEDS_A_PLAIN_ORDER"]),
        ({**BRACKET, "time_in_force": "gtc", "good_till": "x"}, ["FIELD_NOT_AN_INSTANT"]),
        ({**STOP, "algorithm": "twap"}, ["ALGORITHM_NEEDS_A_PLAIN_ORDER"]),
        ({**BRACKET, "algorithm": "vwap"}, ["LEGS_ALONE", "ALGORITHM_NEEDS_A_PLAIN_ORDER"]),
        (
            {**LIMIT, "algorithm": {"name": "twap", "starts_at": "2026-11-20T16:00:00Z",
                                    "ends_at": "2026-11-20T16:00:00Z"}},
            ["ALGORITHM_ENDS_OUT_OF_RANGE"],
        ),
        ({**LIMIT, "venue": "x" * 25}, ["FIELD_TOO_LONG"]),
        ({**LIMIT, "venue": "\u202e"}, ["FIELD_CHARACTERS"]),
    ],
    ids=lambda value: None if isinstance(value, dict) else "+".join(value),
)  # fmt: skip
def test_what_cannot_stand_together_is_refused(body: dict[str, Any], found: list[str]) -> None:
    assert codes(body) == found


def test_an_amount_instead_of_a_quantity_is_kept() -> None:
    found = parsed(without(MARKET, "qty", notional="250.50"))
    assert (found.quantity, found.notional) == (Decimal(0), Decimal("250.50"))


def test_good_till_is_an_instant_in_utc() -> None:
    found = parsed({**LIMIT, "time_in_force": "gtc", "good_till": "2026-12-01T12:00:00.5+02:00"})
    assert found.good_till == datetime(2026, 12, 1, 10, 0, 0, 500_000, UTC)


def test_a_bracket_names_both_its_exits() -> None:
    found = parsed(BRACKET)
    assert found.order_class is OrderClass.BRACKET
    assert found.take_profit == TakeProfit(limit_price=Decimal(120))
    assert found.stop_loss == StopLoss(stop_price=Decimal(90), limit_price=Decimal(89))


def test_an_oco_says_its_limit_once_and_only_closes() -> None:
    found = parsed(OCO)
    assert (found.limit_price, found.closes_only) == (Decimal(120), True)
    assert parsed({**OCO, "limit_price": "120"}) == found


def test_an_order_that_says_it_closes_only_closes() -> None:
    assert parsed({**MARKET, "side": "sell", "position_intent": "sell_to_close"}).closes_only
    assert not parsed({**MARKET, "side": "sell", "position_intent": "sell_to_open"}).closes_only


def test_an_algorithm_is_a_word_or_an_object() -> None:
    assert parsed({**LIMIT, "algorithm": "vwap"}).schedule == Schedule(algorithm=Algorithm.VWAP)
    body = {**MARKET, "algorithm": {"name": "twap", "starts_at": "2026-11-20T16:00:00Z",
                                    "ends_at": "2026-11-20T17:00:00Z", "slices": 12}}  # fmt: skip
    assert parsed(body).schedule == Schedule(
        algorithm=Algorithm.TWAP,
        starts_at=datetime(2026, 11, 20, 16, tzinfo=UTC),
        ends_at=datetime(2026, 11, 20, 17, tzinfo=UTC),
        slices=12,
    )


@pytest.mark.parametrize(
    ("body", "where", "found"),
    [
        (LIMIT, SHARE, []),
        ({**LIMIT, "qty": "1.5", "limit_price": "9.995"}, WHOLE, ["QUANTITY_OFF_LOT", "PRICE_OFF_TICK"]),
        ({**LIMIT, "qty": "0.123456789"}, SHARE, []),
        ({**LIMIT, "qty": "0.1234567891"}, SHARE, ["QUANTITY_OFF_LOT"]),
        ({**LIMIT, "qty": "1.5", "time_in_force": "gtc"}, SHARE, ["QUANTITY_OFF_LOT"]),
        ({**STOP, "qty": "1.5"}, SHARE, ["QUANTITY_OFF_LOT"]),
        ({**BRACKET, "qty": "1.5"}, SHARE, ["QUANTITY_OFF_LOT"]),
        ({**LIMIT, "limit_price": "0.1234"}, SHARE, []),
        ({**LIMIT, "limit_price": "0.12345"}, SHARE, ["PRICE_OFF_TICK"]),
        ({**STOP_LIMIT, "stop_price": "1.001"}, SHARE, ["PRICE_OFF_TICK"]),
        (without(TRAIL, "trail_percent", trail_price="0.001"), SHARE, ["PRICE_OFF_TICK"]),
        ({**BRACKET, "take_profit": {"limit_price": "120.001"}}, SHARE, ["PRICE_OFF_TICK"]),
        (without(MARKET, "qty", notional="100"), SHARE, []),
        (without(MARKET, "qty", notional="100"), COIN, []),
        (without(MARKET, "qty", notional="100", time_in_force="gtc"), COIN, []),
        (without(MARKET, "qty", notional="100"), WHOLE, ["NOT_FRACTIONABLE"]),
        (without(MARKET, "qty", notional="100", time_in_force="gtc"), SHARE, ["FRACTION_NEEDS_DAY"]),
        (without(MARKET, "qty", notional="0.99"), SHARE, ["NOTIONAL_TOO_SMALL"]),
        (without(MARKET, "qty", notional="1.001"), SHARE, ["NOTIONAL_OFF_CENT"]),
        ({**MARKET, "time_in_force": "opg"}, SHARE, []),
        ({**MARKET, "time_in_force": "cls"}, COIN, ["AUCTION_NOT_HELD"]),
        ({**LIMIT, "extended_hours": True}, COIN, ["EXTENDED_HOURS_NOT_HELD"]),
        ({**LIMIT, "algorithm": {"name": "twap", "slices": 11}}, SHARE, ["ALGORITHM_SLICES_TOO_SMALL"]),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else None,
)
def test_an_order_must_suit_its_instrument(body: dict[str, Any], where: Any, found: list[str]) -> None:
    assert [why.code for why in instrument_reasons(parsed(body), where)] == found


@pytest.mark.parametrize(
    ("until", "found"),
    [
        (NOW, ["GOOD_TILL_OUT_OF_RANGE"]),
        (NOW + timedelta(seconds=1), []),
        (NOW + timedelta(days=365), []),
        (NOW + timedelta(days=366), ["GOOD_TILL_OUT_OF_RANGE"]),
    ],
)
def test_an_order_is_good_till_a_time_within_a_year(until: datetime, found: list[str]) -> None:
    fields = parsed({**LIMIT, "time_in_force": "gtc", "good_till": until.isoformat()})
    assert [why.code for why in timing_reasons(fields, at=NOW)] == found


@pytest.mark.parametrize(
    ("starts", "ends", "found"),
    [
        (None, 60, []),
        (None, -1, ["ALGORITHM_ENDS_OUT_OF_RANGE"]),
        (-60, -1, ["ALGORITHM_ENDS_OUT_OF_RANGE"]),
        (60, 86_461, ["ALGORITHM_ENDS_OUT_OF_RANGE"]),
        (86_401, None, ["ALGORITHM_STARTS_TOO_LATE"]),
    ],
)
def test_an_algorithm_works_within_a_day(starts: int | None, ends: int | None, found: list[str]) -> None:
    times = {"starts_at": starts, "ends_at": ends}
    when = {name: (NOW + timedelta(seconds=n)).isoformat() for name, n in times.items() if n is not None}
    fields = parsed({**LIMIT, "algorithm": {"name": "twap", **when}})
    assert [why.code for why in timing_reasons(fields, at=NOW)] == found


def test_a_replace_names_what_it_changes() -> None:
    found = parse_replace({"qty": "5", "trail": "2", "client_order_id": "mine", "limit_price": None})
    assert found == ReplaceFields(quantity=Decimal(5), trail=Decimal(2), client_order_id="mine")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ([], ["BODY_NOT_AN_OBJECT"]),
        ({}, ["REPLACE_EMPTY"]),
        ({"client_order_id": "x"}, ["REPLACE_EMPTY"]),
        ({"qty": "0"}, ["FIELD_NOT_POSITIVE"]),
        ({"qty": "1", "side": "buy"}, ["FIELD_UNKNOWN"]),
        ({"time_in_force": "never"}, ["FIELD_NOT_A_CHOICE"]),
        ({"time_in_force": "day", "good_till": "2026-12-01T00:00:00Z"}, ["GOOD_TILL_NEEDS_GTC"]),
    ],
)
def test_a_replace_that_cannot_be_understood_is_refused(body: Any, found: list[str]) -> None:
    reasons = parse_replace(body)
    assert isinstance(reasons, list)
    assert [why.code for why in reasons] == found
