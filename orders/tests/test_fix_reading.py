"""A FIX order becomes the same order as a JSON body: one parser, other words."""

from __future__ import annotations

from decimal import Decimal

import pytest

from orders.domain.commands import ReplaceFields
from orders.domain.parsing import parse_order
from orders.gateways.fix.reading import order_of, replace_of

PLAIN = {11: "mine", 55: "AAPL", 54: "1", 38: "10", 40: "2", 44: "100.50"}
BODY = {
    "client_order_id": "mine", "symbol": "AAPL", "side": "buy", "qty": "10", "type": "limit", "limit_price": "100.5",
    "time_in_force": "day",
}  # fmt: skip
MARKET = {44: None, 40: "1"}


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({}, {}),
        ({38: "0010.0", 44: "100.500"}, {}),
        ({54: "2", 59: "1"}, {"side": "sell", "time_in_force": "gtc"}),
        ({59: "3"}, {"time_in_force": "ioc"}),
        ({59: "2"}, {"time_in_force": "opg"}),
        (MARKET, {"type": "market", "limit_price": None}),
        ({**MARKET, 38: None, 152: "500"}, {"type": "market", "limit_price": None, "qty": None, "notional": "500"}),
        ({44: None, 40: "3", 99: "101"}, {"type": "stop", "limit_price": None, "stop_price": "101"}),
        ({40: "4", 99: "100"}, {"type": "stop_limit", "stop_price": "100"}),
        (
            {44: None, 40: "P", 18: "a", 211: "1.5"},
            {"type": "trailing_stop", "limit_price": None, "trail_price": "1.5"},
        ),
        (
            {44: None, 40: "P", 18: "a", 211: "150", 836: "1"},
            {"type": "trailing_stop", "limit_price": None, "trail_percent": "1.5"},
        ),
        (
            {59: "6", 126: "20261201-15:30:00"},
            {"time_in_force": "gtc", "good_till": "2026-12-01T15:30:00Z"},
        ),
        ({59: "6", 432: "20261201"}, {"time_in_force": "gtc", "good_till": "2026-12-02T00:00:00Z"}),
        ({336: "6"}, {"extended_hours": True}),
        ({54: "5"}, {"side": "sell", "position_intent": "sell_to_open"}),
        ({54: "2", 77: "C"}, {"side": "sell", "position_intent": "sell_to_close"}),
        ({100: "paper"}, {"venue": "paper"}),
    ],
)
def test_an_order_in_fix_is_the_order_in_json(fields, body):
    given = {tag: value for tag, value in {**PLAIN, **fields}.items() if value is not None}
    expected = parse_order({name: value for name, value in {**BODY, **body}.items() if value is not None})
    assert not isinstance(expected, list)
    assert order_of(given) == expected


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({38: "0"}, ["FIELD_NOT_POSITIVE"]),
        ({38: "9" * 40}, ["FIELD_NOT_A_NUMBER"]),
        ({18: "G"}, ["FIELD_NOT_SUPPORTED"]),
        ({40: "P", 44: None}, ["FIELD_REQUIRED", "TRAIL_REQUIRED"]),
        ({59: "6"}, ["FIELD_REQUIRED"]),
        ({126: "20261201-15:30:00"}, ["FIELD_NOT_SUPPORTED"]),
        ({11: "a\u202eb"}, ["FIELD_CHARACTERS"]),
    ],
)
def test_what_nobody_would_follow_is_refused_and_named_as_fix_names_it(fields, codes):
    given = {tag: value for tag, value in {**PLAIN, **fields}.items() if value is not None}
    found = order_of(given)
    assert isinstance(found, list)
    assert [why.code for why in found] == codes
    assert not any(why.facts.get("field") in BODY for why in found)


def test_a_replace_says_the_whole_order_again():
    assert replace_of({**PLAIN, 41: "old", 59: "1"}) == ReplaceFields(
        quantity=Decimal(10), limit_price=Decimal("100.5"), time_in_force="gtc", client_order_id="mine"
    )
    refused = replace_of({**PLAIN, 41: "old", 152: "500"})
    assert isinstance(refused, list)
