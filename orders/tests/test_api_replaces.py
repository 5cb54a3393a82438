"""Replaces over HTTP: taken, refused, repeated, read by every id; from the page too."""

from uuid import UUID

import orjson
import pytest
from django.apps import apps
from django.test import Client
from rest_framework.test import APIRequestFactory

from accounts.selectors import account_by_id
from orders.api import views
from orders.domain.reports import ReportKind
from orders.tests.api import assert_problem, new_caller
from orders.tests.replacing import one_name_desk
from trading_portal.kernel.ids import uuid7


@pytest.fixture
def desk():
    return one_name_desk()


@pytest.fixture
def caller(desk):
    return new_caller(account_id=desk.account)


def path(order_id):
    return f"/v2/orders/{order_id}"


def taken(desk, order_id, version_id, quantity):
    desk.claim()
    desk.record(desk.report(order_id, ReportKind.REPLACED, request_id=UUID(str(version_id)), quantity=quantity))


def test_a_replace_is_answered_by_the_order_it_asks_for(desk, caller):
    order_id = desk.working(quantity="10", limit_price="90")
    response = caller.patch(path(order_id), {"qty": "12", "limit_price": "95.5", "client_order_id": "r-1"})
    assert response.status_code == 200, response.content
    body = response.json()
    assert body["id"] != str(order_id)
    assert (body["replaces"], body["chain_id"], body["client_order_id"]) == (str(order_id), str(order_id), "r-1")
    assert (body["status"], body["qty"], body["limit_price"]) == ("pending_new", "12", "95.5")
    assert response["X-RateLimit-Limit"]
    old = caller.get(path(order_id)).json()
    assert (old["status"], old["qty"], old["replaced_by"]) == ("pending_replace", "10", None)
    assert caller.get(path(body["id"])).json()["status"] == "pending_new"

    taken(desk, order_id, body["id"], "12")
    old, new = caller.get(path(order_id)).json(), caller.get(path(body["id"])).json()
    assert (old["status"], old["qty"], old["limit_price"]) == ("replaced", "10", "90")
    assert (old["replaced_by"], new["replaces"]) == (new["id"], old["id"])
    assert old["replaced_at"] is not None
    assert (new["status"], new["qty"], new["limit_price"], new["replaced_by"]) == ("new", "12", "95.5", None)
    assert [each["id"] for each in caller.get("/v2/orders").json()] == [new["id"]]
    named = caller.get("/v2/orders:by_client_order_id", client_order_id="r-1").json()
    assert named == new
    told = caller.get(f"{path(new['id'])}/events").json()
    assert told == caller.get(f"{path(old['id'])}/events").json()
    asked = next(event for event in told if event["type"] == "order.replace_requested")
    assert asked["decision"]["approved"] is True
    assert caller.delete(path(old["id"])).status_code == 204
    assert caller.get(path(new["id"])).json()["status"] == "pending_cancel"


def test_a_replace_that_risk_refuses_tells_every_reason_and_shows_the_order_as_it_is(desk, caller):
    order_id = desk.working(quantity="10", limit_price="100")
    response = caller.patch(path(order_id), {"qty": "1000000"})
    body = assert_problem(response, 403, 40310000)
    assert {"BUYING_POWER_EXCEEDED", "QUANTITY_ABOVE_LIMIT"} <= {error["code"] for error in body["errors"]}
    assert (body["order"]["id"], body["order"]["status"], body["order"]["qty"]) == (str(order_id), "new", "10")
    told = caller.get(f"{path(order_id)}/events").json()[-1]
    assert (told["type"], told["decision"]["approved"]) == ("order.replace_refused", False)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "BODY_NOT_JSON"),
        (b"[]", "BODY_NOT_AN_OBJECT"),
        ({}, "REPLACE_EMPTY"),
        ({"client_order_id": "x"}, "REPLACE_EMPTY"),
        ({"symbol": "AAPL"}, "FIELD_UNKNOWN"),
        ({"qty": "0"}, "FIELD_NOT_POSITIVE"),
        ({"qty": "5"}, "QUANTITY_NOT_ABOVE_FILLED"),
        ({"qty": "10"}, "REPLACE_CHANGES_NOTHING"),
        ({"limit_price": "90.00001"}, "PRICE_OFF_TICK"),
        ({"trail": "1"}, "REPLACE_FIELD_NOT_THERE"),
    ],
    ids=str,
)
def test_what_cannot_be_changed_is_refused_alike_by_command_and_documented_resource(desk, caller, body, code):
    order_id = desk.working(quantity="10", limit_price="90")
    desk.record(desk.trade(order_id, "5", "90"))
    hot = caller.patch(path(order_id), body)
    assert code in {error["code"] for error in assert_problem(hot, 422, 42210000)["errors"]}
    made = APIRequestFactory().patch(
        path(order_id),
        body if isinstance(body, bytes) else orjson.dumps(body),
        content_type="application/json",
        headers=caller.headers,
    )
    made.request_id, made.correlation_id = "r", UUID(int=1)
    documented = views.OrderOne.as_view()(made, order_id=order_id)
    documented.render()
    assert documented.status_code == hot.status_code
    assert {**hot.json(), "request_id": "r"} == orjson.loads(documented.content)


def test_the_documented_resource_replaces_too(desk, caller):
    order_id = desk.working(quantity="10", limit_price="90")
    desk.show()
    made = APIRequestFactory().patch(
        path(order_id), orjson.dumps({"qty": "11"}), content_type="application/json", headers=caller.headers
    )
    made.request_id, made.correlation_id = "r", uuid7()
    documented = views.OrderOne.as_view()(made, order_id=order_id)
    documented.render()
    assert orjson.loads(documented.content)["qty"] == "11"
    assert desk.status(order_id) == "pending_replace"


def test_a_second_replace_waits_for_the_first_and_the_same_one_is_the_same(desk, caller):
    order_id = desk.working(quantity="10", limit_price="90")
    first = caller.patch(path(order_id), {"qty": "11", "client_order_id": "r-1"}).json()
    again = caller.patch(path(order_id), {"qty": "11", "client_order_id": "r-1"})
    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    other = assert_problem(caller.patch(path(order_id), {"qty": "12"}), 422, 42210000)
    assert other["errors"][0]["code"] == "REPLACE_ALREADY_PENDING"
    taken_id = assert_problem(caller.patch(path(order_id), {"qty": "12", "client_order_id": "r-1"}), 422, 40010001)
    assert taken_id["errors"][0]["code"] == "CLIENT_ORDER_ID_TAKEN"


def test_who_cancels_everything_is_told_of_the_order_that_waits_for_a_replace(desk, caller):
    waiting, resting = desk.working(quantity="10", limit_price="90"), desk.working(quantity="11", limit_price="90")
    version_id = caller.patch(path(waiting), {"qty": "12"}).json()["id"]
    answers = {answer["id"]: answer for answer in caller.delete("/v2/orders").json()}
    assert {key: answer["status"] for key, answer in answers.items()} == {str(waiting): 422, str(resting): 200}
    assert answers[str(waiting)]["body"]["errors"][0]["code"] == "CANCEL_ALREADY_PENDING"
    taken(desk, waiting, version_id, "12")
    assert [answer["id"] for answer in caller.delete("/v2/orders").json()] == [version_id]


def test_nobody_else_replaces_an_order(desk, caller):
    order_id = desk.working(quantity="10", limit_price="90")
    assert_problem(new_caller().patch(path(order_id), {"qty": "11"}), 404, 40410000)
    assert_problem(caller.patch(path(uuid7()), {"qty": "11"}), 404, 40410000)
    reader = new_caller(account_id=desk.account, scopes=["account:read"])
    assert_problem(reader.patch(path(order_id), {"qty": "11"}), 403, 40310000)
    assert Client().patch(path(order_id), b"{}", content_type="application/json").status_code == 401


def test_replaces_count_as_orders_towards_the_rate(desk):
    order_id = desk.working(quantity="10", limit_price="90")
    slow = new_caller(account_id=desk.account, orders_per_minute=1)
    assert slow.patch(path(order_id), {"qty": "11"}).status_code == 200
    response = slow.patch(path(order_id), {"qty": "12"})
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0
    assert slow.delete(path(order_id)).status_code == 422  # already pending, and not refused for its rate


@pytest.fixture
def page(desk):
    owner_id = account_by_id(desk.account).owner_id
    client = Client()
    client.force_login(_user(owner_id))
    return client


def _user(user_id):
    return apps.get_model("accounts", "User").objects.get(id=user_id)


def test_a_page_amends_an_order_and_shows_what_changed(desk, page):
    order_id = desk.working(quantity="10", limit_price="90")
    desk.show()
    url = f"/orders/{order_id}/amend"
    response = page.post(url, orjson.dumps({"limit_price": "91"}), content_type="application/json")
    assert response.status_code == 202, response.content
    assert (response.json()["id"], response.json()["status"]) == (str(order_id), "pending_replace")
    lines = page.get(f"/orders/{order_id}/events").json()["events"]
    assert lines[-1]["title"] == "Change requested"
    assert "limit price 90.00 → 91.00" in lines[-1]["sentence"], lines[-1]
    refused = page.post(url, orjson.dumps({"limit_price": "92"}), content_type="application/json")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "REPLACE_ALREADY_PENDING")
    stranger = Client()
    stranger.force_login(_user(account_by_id(new_caller().account_id).owner_id))
    assert stranger.post(url, b"{}", content_type="application/json").status_code == 404
    assert Client().post(url, b"{}", content_type="application/json").status_code == 401
