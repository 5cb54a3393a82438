"""Orders over HTTP: placed, refused, repeated, read, cancelled; and nobody else's."""

from itertools import count
from uuid import UUID

import orjson
import pytest
from django.test import Client
from rest_framework.test import APIRequestFactory

from accounts.services import api_key_revoke, person_ensure
from audit.domain.types import Actor
from orders.api import views
from orders.domain.facts import PAPER_VENUE
from orders.tests.api import assert_problem, new_caller
from orders.tests.desk import rows
from positions.tests.helpers import BY, new_instrument, set_live
from risk.services import firm_defaults_ensure, kill_switch_latch
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

numbers = count(1)


@pytest.fixture(scope="module")
def instrument():
    firm_defaults_ensure(at=clock.now())
    return new_instrument()


@pytest.fixture(autouse=True)
def _live_price(instrument):
    set_live(instrument, "100", None)


@pytest.fixture
def caller():
    return new_caller()


@pytest.fixture(scope="module")
def refused_caller():
    """Return a caller of whom nothing is ever stored."""
    return new_caller()


@pytest.fixture(scope="module")
def shared_caller():
    """Return a caller for tests that do not mind what the others stored."""
    return new_caller()


@pytest.fixture
def order(instrument):
    def make(**changes):
        body = {
            "symbol": instrument.symbol,
            "qty": str(next(numbers)),
            "side": "buy",
            "type": "limit",
            "time_in_force": "gtc",
            "limit_price": "99.5",
            **changes,
        }
        return {name: value for name, value in body.items() if value is not ...}

    return make


def stored(caller):
    return rows("SELECT count(*) FROM orders_order WHERE account_id = %s", caller.account_id)[0][0]


def test_an_order_is_answered_when_it_is_stored_and_checked(caller, order):
    body = order(client_order_id="mine-1")
    response = caller.post("/v2/orders", body)
    assert response.status_code == 200, response.content
    placed = response.json()
    assert (placed["status"], placed["client_order_id"], placed["qty"]) == ("accepted", "mine-1", body["qty"])
    assert (placed["account_id"], placed["venue"], placed["outcome"]) == (str(caller.account_id), PAPER_VENUE, "known")
    assert response["RateLimit-Policy"] == '"orders";q=100000;w=60'
    assert int(response["X-RateLimit-Remaining"]) == 99_999
    assert caller.get(f"/v2/orders/{placed['id']}").json() == placed
    assert caller.get("/v2/orders:by_client_order_id", client_order_id="mine-1").json() == placed


def test_numbers_may_be_json_numbers_and_are_read_exactly(caller, order):
    placed = caller.post("/v2/orders", order(qty=12, limit_price=99.5)).json()
    assert (placed["qty"], placed["limit_price"]) == ("12", "99.5")
    raw = b'{"symbol":"%s","qty":1e1,"side":"buy","type":"limit","time_in_force":"gtc","limit_price":9.95e1}'
    placed = caller.post("/v2/orders", raw % order()["symbol"].encode()).json()
    assert (placed["qty"], placed["limit_price"]) == ("10", "99.5")


def test_an_order_that_risk_refuses_is_kept_and_told_with_every_reason(caller, order):
    response = caller.post("/v2/orders", order(side="sell", qty="20001", limit_price="50", client_order_id="bad"))
    body = assert_problem(response, 403, 40310000)
    codes = {error["code"] for error in body["errors"]}
    assert {"SHORT_NOT_ALLOWED", "QUANTITY_ABOVE_LIMIT", "PRICE_OUTSIDE_COLLAR"} <= codes
    assert all(error["sentence"] and error["facts"] is not None for error in body["errors"])
    kept = caller.get("/v2/orders:by_client_order_id", client_order_id="bad").json()
    assert (kept["status"], kept["id"]) == ("rejected", body["order"]["id"])
    assert {why["code"] for why in kept["reasons"]} == codes


def test_the_same_order_twice_is_one_order_and_another_under_its_id_is_refused(caller, order):
    body = order(client_order_id="twice")
    first, again = caller.post("/v2/orders", body), caller.post("/v2/orders", body)
    assert first.json() == again.json()
    assert_problem(caller.post("/v2/orders", {**body, "qty": "99"}), 422, 40010001)
    refused = order(side="sell", client_order_id="twice-refused")
    answers = [assert_problem(caller.post("/v2/orders", refused), 403, 40310000) for _ in range(2)]
    assert answers[0]["errors"] == answers[1]["errors"]
    assert answers[0]["order"]["id"] == answers[1]["order"]["id"]
    assert stored(caller) == 2


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


def test_a_key_without_the_scope_reads_but_neither_places_nor_cancels(caller, order):
    placed = caller.post("/v2/orders", order()).json()
    reader = new_caller(account_id=caller.account_id, scopes=["account:read"])
    path = f"/v2/orders/{placed['id']}"
    assert reader.get(path).status_code == 200
    for response in (
        reader.post("/v2/orders", order()),
        reader.post("/v2/orders/bulk", {"orders": [order()]}),
        reader.post("/v2/orders/preview", order()),
        reader.delete(path),
        reader.delete("/v2/orders"),
    ):
        assert assert_problem(response, 403, 40310000)["errors"][0]["code"] == "SCOPE_MISSING"


def test_another_accounts_order_is_not_there(caller, order):
    placed = caller.post("/v2/orders", order(client_order_id="secret")).json()
    other = new_caller()
    path = f"/v2/orders/{placed['id']}"
    for response in (
        other.get(path),
        other.get(f"{path}/events"),
        other.delete(path),
        other.get("/v2/orders:by_client_order_id", client_order_id="secret"),
        other.get(f"/v2/orders/{uuid7()}"),
    ):
        assert_problem(response, 404, 40410000)
    assert other.get("/v2/orders", status="all").json() == []
    assert other.delete("/v2/orders").json() == []
    assert_problem(other.get("/v2/orders", page_token=placed["id"]), 422, 42210000)
    assert str(placed["id"]) not in other.get("/v2/account/events").content.decode()
    assert caller.get(path).json()["status"] == "accepted"
    assert other.post("/v2/orders", order(client_order_id="secret")).status_code == 200


def test_what_was_never_sent_is_cancelled_at_once_and_only_once(caller, order):
    placed = caller.post("/v2/orders", order()).json()
    path = f"/v2/orders/{placed['id']}"
    response = caller.delete(path)
    assert (response.status_code, response.content) == (204, b"")
    assert caller.get(path).json()["status"] == "canceled"
    problem = assert_problem(caller.delete(path), 422, 42210000)
    assert problem["errors"][0]["code"] == "ORDER_NOT_CANCELABLE"


def test_all_orders_are_cancelled_with_an_answer_for_each(caller, order):
    ids = {caller.post("/v2/orders", order()).json()["id"] for _ in range(3)}
    response = caller.delete("/v2/orders")
    assert response.status_code == 207
    assert {answer["id"] for answer in response.json()} == ids
    assert {answer["status"] for answer in response.json()} == {200}
    assert caller.get("/v2/orders").json() == []


def test_cancels_are_never_refused_for_their_rate(order):
    caller = new_caller(orders_per_minute=1)
    placed = caller.post("/v2/orders", order()).json()
    response = caller.post("/v2/orders", order())
    assert_problem(response, 429, 42910000)
    assert 1 <= int(response["Retry-After"]) <= 60
    assert response["X-RateLimit-Remaining"] == "0"
    for _ in range(5):
        assert caller.delete(f"/v2/orders/{placed['id']}").status_code in (204, 422)
    assert caller.delete("/v2/orders").status_code == 207


def test_orders_are_filtered_and_paged_without_a_gap(caller, order, instrument):
    placed = [caller.post("/v2/orders", order()).json() for _ in range(7)]
    caller.delete(f"/v2/orders/{placed[0]['id']}")
    ids = [each["id"] for each in placed]

    def listed(**query):
        response = caller.get("/v2/orders", **query)
        assert response.status_code == 200, response.content
        return [each["id"] for each in response.json()]

    assert listed() == ids[:0:-1]
    assert listed(status="closed") == ids[:1]
    assert listed(status="all", direction="asc") == ids
    assert listed(status="all", side="sell") == []
    assert listed(status="all", symbols=f"{instrument.symbol},NOSUCH", direction="asc") == ids
    assert listed(status="all", symbols="NOSUCH") == []
    assert listed(status="all", after=placed[3]["created_at"], direction="asc") == ids[4:]
    assert listed(status="all", until=placed[3]["created_at"], direction="asc") == ids[:4]
    pages, token = [], None
    while True:
        query = {"status": "all", "direction": "asc", "limit": 3} | ({"page_token": token} if token else {})
        response = caller.get("/v2/orders", **query)
        pages += [each["id"] for each in response.json()]
        token = response.headers.get("X-Next-Page-Token")
        if token is None:
            break
    assert pages == ids


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


def test_an_orders_events_and_the_accounts_are_one_story(caller, order):
    placed = caller.post("/v2/orders", order()).json()
    caller.delete(f"/v2/orders/{placed['id']}")
    events = caller.get(f"/v2/orders/{placed['id']}/events").json()
    assert [event["type"] for event in events] == ["order.accepted", "order.canceled"]
    assert [event["sequence"] for event in events] == [1, 2]
    assert events[0]["actor"] == f"api_key:{caller.key_id}"
    everything = caller.get("/v2/account/events", since=0, limit=1000).json()
    assert [event["account_sequence"] for event in everything] == list(range(1, len(everything) + 1))
    decision = events[0].pop("decision")
    assert decision["approved"] is True
    assert {"max_notional", "buying_power"} <= {check["rule"] for check in decision["checks"]}
    assert everything[-2:] == events
    assert caller.get("/v2/account/events", since=everything[-2]["account_sequence"]).json() == events[1:]


def test_the_account_says_whether_trading_is_stopped(caller, order):
    assert caller.get("/v2/account").json()["trading_blocked"] is False
    officer, _ = person_ensure(
        username=f"o-{uuid7()}",
        email="",
        first_name="",
        last_name="",
        password="",
        groups=["Risk officers"],
        is_staff=True,
    )
    kill_switch_latch(
        account_id=caller.account_id,
        instrument_id=None,
        venue="",
        reason="a drill",
        by=Actor.user(officer),
        at=clock.now(),
    )
    assert caller.get("/v2/account").json()["trading_blocked"] is True
    problem = assert_problem(caller.post("/v2/orders", order()), 403, 40310000)
    assert "KILL_SWITCH_ON" in {error["code"] for error in problem["errors"]}


def test_one_correlation_id_runs_from_the_request_to_the_event(caller, order):
    correlation_id = str(uuid7())
    placed = caller.post("/v2/orders", order(), **{"X-Request-ID": correlation_id}).json()
    (event,) = caller.get(f"/v2/orders/{placed['id']}/events").json()
    assert event["correlation_id"] == correlation_id


def test_a_bulk_answers_for_each_order_in_its_place(caller, order):
    orders = [
        order(client_order_id="b-0"),
        order(limit_price="NaN", client_order_id="b-1"),
        order(side="sell", client_order_id="b-2"),
        order(symbol="NOSUCH", client_order_id="b-3"),
        "no order",
        order(client_order_id="b-5"),
    ]
    response = caller.post("/v2/orders/bulk", {"orders": orders})
    assert response.status_code == 200, response.content
    body = response.json()
    results = body["results"]
    assert [result["status"] for result in results] == [200, 422, 403, 422, 422, 200]
    assert [result["index"] for result in results] == list(range(6))
    assert [result["client_order_id"] for result in results] == ["b-0", "b-1", "b-2", "b-3", None, "b-5"]
    assert [bool(result["order"]) for result in results] == [True, False, True, False, False, True]
    assert [result["error"] and result["error"]["code"] for result in results] == [
        None, 42210000, 40310000, 42210000, 42210000, None,
    ]  # fmt: skip
    assert (body["accepted"], body["refused"]) == (2, 4)
    assert stored(caller) == 3
    again = caller.post("/v2/orders/bulk", {"orders": orders}).json()["results"]
    assert [result["order"] and result["order"]["id"] for result in again] == [
        result["order"] and result["order"]["id"] for result in results
    ]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "FIELD_REQUIRED"),
        ({"orders": []}, "BULK_SIZE"),
        ({"orders": [{}] * 1001}, "BULK_SIZE"),
        ({"orders": {}}, "FIELD_NOT_A_LIST"),
        ({"orders": [{}], "all_or_none": "yes"}, "FIELD_NOT_BOOLEAN"),
        ({"orders": [{}], "atomic": False}, "FIELD_UNKNOWN"),
    ],
)
def test_a_bulk_that_is_none_is_refused_as_a_whole(refused_caller, body, code):
    problem = assert_problem(refused_caller.post("/v2/orders/bulk", body), 422, 42210000)
    assert code in {error["code"] for error in problem["errors"]}


def test_a_bulk_counts_each_of_its_orders_and_a_bulk_too_large_for_its_key_says_so(order):
    caller = new_caller(orders_per_minute=5)
    response = caller.post("/v2/orders/bulk", {"orders": [order() for _ in range(3)]})
    assert (response.status_code, response["X-RateLimit-Remaining"]) == (200, "2")
    assert_problem(caller.post("/v2/orders/bulk", {"orders": [order() for _ in range(3)]}), 429, 42910000)
    problem = assert_problem(caller.post("/v2/orders/bulk", {"orders": [order() for _ in range(6)]}), 422, 42210000)
    assert problem["errors"][0]["code"] == "RATE_LIMIT_TOO_SMALL"
    assert stored(caller) == 3


def test_a_preview_says_what_would_be_and_places_nothing(caller, order):
    good = caller.post("/v2/orders/preview", order(qty="7")).json()
    assert good["approved"] is True
    assert (good["notional"], good["worst_price"]) == ("696.5", "99.5")
    assert all({"rule", "label", "passed", "sentence"} <= check.keys() for check in good["checks"])
    bad = caller.post("/v2/orders/preview", order(side="sell")).json()
    assert bad["approved"] is False
    assert "SHORT_NOT_ALLOWED" in {why["code"] for why in bad["reasons"]}
    assert_problem(caller.post("/v2/orders/preview", order(qty="1.5")), 422, 42210000)
    assert stored(caller) == 0


def test_an_idempotency_key_gives_the_same_answer_again(caller, order):
    key = {"Idempotency-Key": str(uuid7())}
    body = order()
    first, again = caller.post("/v2/orders", body, **key), caller.post("/v2/orders", body, **key)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert (first.headers.get("Idempotent-Replayed"), again["Idempotent-Replayed"]) == (None, "true")
    assert stored(caller) == 1
    assert_problem(caller.post("/v2/orders", order(), **key), 422, 42210000)
    refused = {"Idempotency-Key": str(uuid7())}
    answers = [caller.post("/v2/orders", order(qty="5", side="sell"), **refused) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].json() == answers[1].json()
    bulk = {"Idempotency-Key": str(uuid7())}
    orders = {"orders": [order(), order()]}
    first, again = caller.post("/v2/orders/bulk", orders, **bulk), caller.post("/v2/orders/bulk", orders, **bulk)
    assert first.json() == again.json()
    assert stored(caller) == 4
    assert_problem(caller.post("/v2/orders", body, **{"Idempotency-Key": "a b"}), 422, 42210000)


def test_a_request_that_died_after_its_commit_is_answered_by_the_order_it_made(caller, order):
    """The answer was lost, the order was not: the repeat must find it, and not make another."""
    key, body = {"Idempotency-Key": str(uuid7())}, order()
    first = caller.post("/v2/orders", body, **key).json()
    forgotten = "UPDATE accounts_idempotencykey SET status = 0, body = 'null' WHERE account_id = %s RETURNING id"
    assert len(rows(forgotten, caller.account_id)) == 1
    again = caller.post("/v2/orders", body, **key).json()
    assert again["id"] == first["id"]
    assert stored(caller) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"qty":NaN}', {"qty": "1"}, {"symbol": "NOSUCH"}, ...],
    ids=["empty", "half", "list", "nan", "little", "no-such", "refused"],
)
@pytest.mark.parametrize(("path", "view"), [("/v2/orders", views.OrderList), ("/v2/orders/bulk", views.OrderBulk)])
def test_the_command_and_the_documented_resource_refuse_alike(shared_caller, order, path, view, body):
    if body is ...:
        body = order(side="sell", client_order_id="alike")
    hot = shared_caller.post(path, body)
    made = APIRequestFactory().post(
        path,
        body if isinstance(body, bytes) else orjson.dumps(body),
        content_type="application/json",
        headers=shared_caller.headers,
    )
    made.request_id, made.correlation_id = "r", UUID(int=1)
    documented = view.as_view()(made)
    documented.render()
    assert documented.status_code == hot.status_code
    ours, theirs = hot.json(), orjson.loads(documented.content)
    assert {**ours, "request_id": "r"} == theirs
    assert documented["Content-Type"] == hot["Content-Type"]
    assert documented.headers.keys() >= {"X-RateLimit-Limit"} or hot.status_code == 422


@pytest.mark.parametrize("path", ["/v2/orders", "/v2/orders/bulk"])
def test_the_command_and_the_documented_resource_know_the_same_keys(shared_caller, order, path):
    view = views.OrderList if path == "/v2/orders" else views.OrderBulk
    for headers in ({}, {**shared_caller.headers, "APCA-API-SECRET-KEY": "wrong"}):
        made = APIRequestFactory().post(path, b"{}", content_type="application/json", headers=headers)
        made.request_id = "r"
        response = view.as_view()(made)
        response.render()
        documented = orjson.loads(response.content)
        answer = Client().post(path, b"{}", content_type="application/json", headers=headers)
        assert (answer.status_code, response.status_code) == (401, 401)
        assert {**answer.json(), "request_id": "r"} == documented
