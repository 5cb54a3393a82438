"""What is no order, no query and no request over HTTP is refused by name, and nothing is stored."""

import pytest

from accounts.services import api_key_revoke
from orders.tests.api import assert_problem, new_caller, stored
from positions.tests.helpers import BY
from trading_portal.kernel import clock

pytestmark = pytest.mark.usefixtures("live_price")


def test_off_grid_and_unknown_symbols_store_nothing(caller, order):
    for body, code in (
        (order(limit_price="99.505"), "PRICE_OFF_TICK"),
        (order(qty="1.5"), "QUANTITY_OFF_LOT"),
        (order(symbol="NOSUCH"), "SYMBOL_UNKNOWN"),
    ):
        problem = assert_problem(caller.post("/v2/orders", body), 422, 42210000)
        assert [error["code"] for error in problem["errors"]] == [code]
    assert stored(caller) == 0


NESTED = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
BAD_NUMBERS = [
    b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-5", b"0", b"-0", b"true", b"false", b"[]", b"{}",
    b'"NaN"', b'"Infinity"', b'"1e400"', b'"1e2"', b'"-5"', b'"0"', b'"-0"', b'"1_000"', b'"1,000"', b'" 12 "', b'""',
    '"１２"'.encode(), '"١٢"'.encode(), b'"' + b"9" * 999 + b'"', b"9" * 999, b'"0.00000000001"', b"1e-11", b'"0x10"',
    b'"1\\u0000"', b'"+1"', b'".5"', b'"5."',
]  # fmt: skip


@pytest.mark.parametrize("field", ["qty", "limit_price"])
@pytest.mark.parametrize("number", BAD_NUMBERS, ids=lambda number: number[:20].decode())
def test_what_is_no_plain_positive_number_is_refused(refused_caller, order, field, number):
    parts = {**order(), field: "\0"}
    raw = b",".join(
        b'"%s":%s' % (name.encode(), number if value == "\0" else b'"%s"' % value.encode())
        for name, value in parts.items()
    )
    problem = assert_problem(refused_caller.post("/v2/orders", b"{" + raw + b"}"), 422, 42210000)
    assert problem["errors"], problem
    assert stored(refused_caller) == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"status": "filled"}, "FIELD_UNKNOWN"),
        ({"account": "x"}, "FIELD_UNKNOWN"),
        ({"account_id": "x"}, "FIELD_UNKNOWN"),
        ({"cum_qty": "1"}, "FIELD_UNKNOWN"),
        ({"filled_qty": "1"}, "FIELD_UNKNOWN"),
        ({"id": "x"}, "FIELD_UNKNOWN"),
        ({"symbol": "AA\x00PL"}, "SYMBOL_UNKNOWN"),
        ({"symbol": "AAPL\u202e"}, "SYMBOL_UNKNOWN"),
        ({"symbol": "AA\u200bPL"}, "SYMBOL_UNKNOWN"),
        ({"symbol": " AAPL"}, "SYMBOL_UNKNOWN"),
        ({"symbol": "ＡＡＰＬ"}, "SYMBOL_UNKNOWN"),
        ({"symbol": "A" * 5000}, "SYMBOL_UNKNOWN"),
        ({"symbol": ["AAPL"]}, "FIELD_NOT_TEXT"),
        ({"symbol": None}, "FIELD_REQUIRED"),
        ({"side": "BUY"}, "FIELD_NOT_A_CHOICE"),
        ({"side": {"$ne": 1}}, "FIELD_NOT_TEXT"),
        ({"type": "stop"}, "STOP_PRICE_REQUIRED"),
        ({"time_in_force": "cls"}, "AUCTION_NOT_HELD"),
        ({"order_class": "bracket"}, "LEGS_INCOMPLETE"),
        ({"notional": "100"}, "QTY_OR_NOTIONAL"),
        ({"extended_hours": "true"}, "FIELD_NOT_BOOLEAN"),
        ({"extended_hours": 1}, "FIELD_NOT_BOOLEAN"),
        ({"client_order_id": "x" * 129}, "FIELD_TOO_LONG"),
        ({"client_order_id": "a\u202eb"}, "FIELD_CHARACTERS"),
        ({"client_order_id": "a\x00b"}, "FIELD_CHARACTERS"),
        ({"client_order_id": 7}, "FIELD_NOT_TEXT"),
        ({"limit_price": ...}, "LIMIT_PRICE_REQUIRED"),
        ({"type": "market"}, "LIMIT_PRICE_NOT_ALLOWED"),
        ({"qty": ...}, "FIELD_REQUIRED"),
    ],
)
def test_what_is_not_an_orders_field_is_refused_by_name(refused_caller, order, changes, code):
    problem = assert_problem(refused_caller.post("/v2/orders", order(**changes)), 422, 42210000)
    assert code in {error["code"] for error in problem["errors"]}
    assert stored(refused_caller) == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"null", 422),
        (b"[]", 422),
        (b'"x"', 422),
        (b"{", 422),
        (b"\xff\xfe{}", 422),
        (b'{"symbol":"A","symbol":"B"}', 422),
        (NESTED, 422),
        (b'{"symbol":"' + b"A" * 50_000_000 + b'"}', 413),
    ],
    ids=["empty", "null", "list", "text", "half", "utf-16", "key-twice", "nested", "50MB"],
)
@pytest.mark.parametrize("path", ["/v2/orders", "/v2/orders/bulk", "/v2/orders/preview"])
def test_what_is_no_json_object_is_refused(refused_caller, path, body, status):
    assert_problem(refused_caller.post(path, body), status, status * 100_000 + 10_000)
    assert stored(refused_caller) == 0


def test_a_bad_order_from_a_bad_key_is_told_about_the_key_only(caller):
    stranger = new_caller()
    api_key_revoke(key_id=stranger.key_id, by=BY, at=clock.now())
    for body in ({"qty": "x"}, b"{"):
        assert assert_problem(stranger.post("/v2/orders", body), 401, 40110000)["errors"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"status": "open' OR 1=1"},
        {"limit": "0"},
        {"limit": "501"},
        {"limit": "1e2"},
        {"limit": "１０"},
        {"after": "yesterday"},
        {"until": "2026-13-01"},
        {"direction": "up"},
        {"side": "BUY"},
        {"nested": "maybe"},
        {"page_token": "x"},
        {"symbols": "A\x00B"},
    ],
)
def test_a_filter_that_is_not_understood_is_refused(refused_caller, query):
    assert_problem(refused_caller.get("/v2/orders", **query), 422, 42210000)
