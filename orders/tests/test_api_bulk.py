"""Bulks over HTTP, and requests that are repeated or asked in the documented resource's words."""

from uuid import UUID

import orjson
import pytest
from django.test import Client
from rest_framework.test import APIRequestFactory

from orders.api import views
from orders.tests.api import assert_problem, new_caller, stored
from orders.tests.desk import rows
from trading_portal.kernel.ids import uuid7

pytestmark = pytest.mark.usefixtures("live_price")


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
