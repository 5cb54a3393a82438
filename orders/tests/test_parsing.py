"""Parsing: what is not plainly an order is refused, with every reason, and nothing of it is believed."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from audit.domain.types import Actor
from orders.domain.commands import OrderFields, command_hash, place_order
from orders.domain.parsing import (
    CLIENT_ORDER_ID_LIMIT,
    decode_json_body,
    parse_order,
)
from orders.domain.reasons import SENTENCES, sentence
from orders.domain.types import OrderType
from positions.domain.types import Side
from trading_portal.kernel.errors import Reason
from trading_portal.kernel.ids import uuid7

LIMIT = {"symbol": "BTC/USD", "qty": "1.5", "side": "buy", "type": "limit", "time_in_force": "gtc", "limit_price": "9"}
MARKET = {"symbol": "AAPL", "qty": "2", "side": "sell", "type": "market", "time_in_force": "day"}
ABSENT = object()


def codes(body):
    parsed = parse_order(body)
    assert isinstance(parsed, list), parsed
    return [why.code for why in parsed]


def changed(body, **changes):
    return {name: value for name, value in {**body, **changes}.items() if value is not ABSENT}


@pytest.mark.parametrize("body", [LIMIT, MARKET])
def test_a_plain_order_is_understood(body):
    parsed = parse_order(body)
    assert isinstance(parsed, OrderFields)
    assert (parsed.symbol, parsed.quantity, parsed.side) == (body["symbol"], Decimal(body["qty"]), Side(body["side"]))


@pytest.mark.parametrize(
    "extra",
    [
        {"limit_price": None, "stop_price": None, "notional": None, "client_order_id": None, "extended_hours": None},
        {"order_class": "simple"},
        {"order_class": ""},
        {"extended_hours": False},
        {"position_intent": "sell_to_close"},
        {"qty": 2},
        {"qty": Decimal("2.0")},
        {"client_order_id": ""},
    ],
)
def test_what_sdks_add_beside_an_order_does_no_harm(extra):
    assert isinstance(parse_order({**MARKET, **extra}), OrderFields)


@pytest.mark.parametrize(
    "number",
    ["NaN", "Infinity", "-Infinity", "1e400", "1e3", "-0", "1_000", "１２", " 12 ", "9" * 999, "0.00000000001", "",
     "0x10", "+1", "1.", ".5", "1,5", True, False, 1.5, [], {}, "٣", "1\x00", "1\n"],
    ids=lambda number: repr(number)[:20],
)  # fmt: skip
@pytest.mark.parametrize("field", ["qty", "limit_price"])
def test_what_is_not_a_plain_number_is_refused(field, number):
    assert codes(changed(LIMIT, **{field: number})) == ["FIELD_NOT_A_NUMBER"]


@pytest.mark.parametrize("field", ["qty", "limit_price"])
@pytest.mark.parametrize(
    ("number", "code"),
    [("0", "FIELD_NOT_POSITIVE"), ("-5", "FIELD_NOT_POSITIVE"), ("1000000000000000", "FIELD_TOO_LARGE")],
)
def test_numbers_out_of_bounds_are_refused(field, number, code):
    assert codes(changed(LIMIT, **{field: number})) == [code]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"status": "filled"}, ["FIELD_UNKNOWN"]),
        ({"account": "x", "cum_qty": "1"}, ["FIELD_UNKNOWN", "FIELD_UNKNOWN"]),
        ({"symbol": ABSENT}, ["FIELD_REQUIRED"]),
        ({"symbol": "aapl"}, ["SYMBOL_UNKNOWN"]),
        ({"symbol": "AA\u200bPL"}, ["SYMBOL_UNKNOWN"]),
        ({"symbol": "AA\u202ePL"}, ["SYMBOL_UNKNOWN"]),
        ({"symbol": "AAPL\x00"}, ["SYMBOL_UNKNOWN"]),
        ({"symbol": "АAPL"}, ["SYMBOL_UNKNOWN"]),  # the first letter is Cyrillic
        ({"symbol": 7}, ["FIELD_NOT_TEXT"]),
        ({"side": "BUY"}, ["FIELD_NOT_A_CHOICE"]),
        ({"side": ["buy"]}, ["FIELD_NOT_TEXT"]),
        ({"type": "stop"}, ["LIMIT_PRICE_NOT_ALLOWED", "STOP_PRICE_REQUIRED"]),
        ({"type": "magic"}, ["FIELD_NOT_A_CHOICE"]),
        ({"time_in_force": "gtd"}, ["FIELD_NOT_A_CHOICE"]),
        ({"limit_price": ABSENT}, ["LIMIT_PRICE_REQUIRED"]),
        ({"type": "market"}, ["LIMIT_PRICE_NOT_ALLOWED"]),
        ({"notional": "5"}, ["QTY_OR_NOTIONAL"]),
        ({"order_class": "mleg", "legs": []}, ["FIELD_NOT_SUPPORTED", "FIELD_NOT_A_CHOICE"]),
        ({"order_class": [1]}, ["FIELD_NOT_TEXT"]),
        ({"extended_hours": 1}, ["FIELD_NOT_BOOLEAN"]),
        ({"extended_hours": True, "time_in_force": "ioc"}, ["EXTENDED_HOURS_NEEDS_A_LIMIT"]),
        ({"position_intent": "sell_to_close"}, ["FIELD_NOT_SUPPORTED"]),
        ({"position_intent": {}}, ["FIELD_NOT_A_CHOICE"]),
        ({"client_order_id": "x" * (CLIENT_ORDER_ID_LIMIT + 1)}, ["FIELD_TOO_LONG"]),
        ({"client_order_id": "a\x00b"}, ["FIELD_CHARACTERS"]),
        ({"client_order_id": "a\u202eb"}, ["FIELD_CHARACTERS"]),
        ({"client_order_id": "a\u200bb"}, ["FIELD_CHARACTERS"]),
        ({"client_order_id": "\ud800"}, ["FIELD_CHARACTERS"]),
        ({"client_order_id": 5}, ["FIELD_NOT_TEXT"]),
    ],
    ids=lambda value: str(value).replace(str(ABSENT), "absent"),
)
def test_what_is_wrong_is_named(changes, found):
    assert codes(changed(LIMIT, **changes)) == found


def test_every_reason_is_told_at_once():
    assert sorted(codes({"qty": "-1", "status": "new", "side": "hold"})) == [
        "FIELD_NOT_A_CHOICE", "FIELD_NOT_POSITIVE", "FIELD_REQUIRED", "FIELD_REQUIRED", "FIELD_REQUIRED",
        "FIELD_UNKNOWN",
    ]  # fmt: skip


@pytest.mark.parametrize("body", [None, [], "x", 5, [LIMIT]])
def test_a_body_that_is_no_object_is_refused(body):
    assert codes(body) == ["BODY_NOT_AN_OBJECT"]


def test_text_that_is_repeated_to_its_sender_is_short_and_visible():
    parsed = parse_order({**LIMIT, "x\x00\u202e" + "y" * 500: 1})
    assert isinstance(parsed, list)
    shown = str(parsed[0].facts["field"])
    assert len(shown) == 40
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"qty":"1","qty":"2"}', "BODY_KEY_TWICE"),
        (b'{"a":{"b":1,"b":2}}', "BODY_KEY_TWICE"),
        (b'{"qty":NaN}', "BODY_NOT_JSON"),
        (b'{"qty":Infinity}', "BODY_NOT_JSON"),
        (b"{", "BODY_NOT_JSON"),
        (b"", "BODY_NOT_JSON"),
        (b"\xff\xfe", "BODY_NOT_JSON"),
        (b'{"a":1} x', "BODY_NOT_JSON"),
        (b"[" * 100_000, "BODY_TOO_DEEP"),
        (b'{"a":' * 100_000, "BODY_TOO_DEEP"),
        (b" " * 2_000_000, "BODY_TOO_LARGE"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_a_body_that_cannot_be_read_is_refused(body, code):
    decoded = decode_json_body(body)
    assert isinstance(decoded, Reason)
    assert decoded.code == code


def test_numbers_in_json_stay_exact():
    assert decode_json_body(b'{"a":0.1,"b":100,"c":1e-07}') == {"a": Decimal("0.1"), "b": 100, "c": Decimal("1E-7")}


@pytest.mark.parametrize("number", [b"1e400", b"1e999999999", b"-1e-999999999", b"9" * 5000, b"0.%s1" % (b"0" * 5000)])
def test_absurd_numbers_in_json_are_refused_as_numbers(number):
    body = decode_json_body(b'{"symbol":"A","side":"buy","type":"market","time_in_force":"day","qty":%s}' % number)
    assert codes(body) == ["FIELD_NOT_A_NUMBER"]


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*LIMIT, "legs", "x"]), inner),
    max_leaves=12,
))  # fmt: skip
def test_no_body_whatever_raises(body):
    parsed = parse_order(body)
    assert isinstance(parsed, OrderFields) or all(sentence(why.code, why.facts) for why in parsed)


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise(body):
    decode_json_body(body)


def command(**changes):
    fields = parse_order(LIMIT)
    assert isinstance(fields, OrderFields)
    made = place_order(
        fields, account_id=uuid7(), by=Actor.system("test"), source="api", correlation_id=uuid7(),
        placed_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    return replace(made, **changes)


def test_the_hash_is_the_same_however_the_numbers_are_written_and_whoever_sends_them():
    first = command()
    again = replace(command(), quantity=Decimal("1.500"), limit_price=Decimal("9E0"), source="web")
    assert command_hash(first) == command_hash(again)


@pytest.mark.parametrize(
    "changes",
    [{"quantity": Decimal(2)}, {"limit_price": Decimal(8)}, {"side": Side.SELL}, {"symbol": "ETH/USD"},
     {"order_type": OrderType.MARKET}, {"extended_hours": True}, {"stop_price": Decimal(9)}, {"closes_only": True},
     {"trail_percent": Decimal(1)}, {"notional": Decimal(5)}],
    ids=lambda value: str(value).replace(str(ABSENT), "absent"),
)  # fmt: skip
def test_the_hash_tells_another_order(changes):
    assert command_hash(command()) != command_hash(command(**changes))


def test_an_order_without_an_id_gets_one_of_ours():
    assert command().client_order_id != command().client_order_id


def test_every_reason_has_a_sentence_that_stands_without_its_facts():
    assert all(sentence(code, {}) for code in SENTENCES)
