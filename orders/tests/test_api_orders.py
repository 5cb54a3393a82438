"""Orders over HTTP: placed, refused, repeated, read, cancelled; and nobody else's."""

import pytest

from accounts.services import person_ensure
from audit.domain.types import Actor
from orders.domain.facts import PAPER_VENUE
from orders.tests.api import assert_problem, new_caller, stored
from risk.services import kill_switch_latch
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

pytestmark = pytest.mark.usefixtures("live_price")


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
