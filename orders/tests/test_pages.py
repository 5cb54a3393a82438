"""What pages ask for: only one's own, never twice, and refused in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.apps import apps
from django.test import Client

from accounts.selectors import account_by_id
from orders.selectors import orders_recent
from orders.tests.desk import Desk
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7


@dataclass(frozen=True)
class Browser:
    """A signed-in person's browser."""

    client: Client
    account_id: UUID

    def order(self, desk: Desk, **changes: Any) -> dict[str, Any]:
        return {
            "account_id": str(self.account_id),
            "symbol": desk.symbol,
            "side": "buy",
            "type": "limit",
            "time_in_force": "day",
            "qty": "5",
            "limit_price": "100",
            "client_order_id": str(uuid7()),
            **changes,
        }

    def post(self, path: str, body: Any = None) -> Any:
        return self.client.post(path, orjson.dumps(body), content_type="application/json")


def browser_of(account_id: UUID) -> Browser:
    facts = account_by_id(account_id)
    assert facts is not None
    client = Client()
    client.force_login(apps.get_model("accounts", "User").objects.get(id=facts.owner_id))
    return Browser(client, account_id)


@pytest.fixture
def desk() -> Desk:
    return Desk(accounts=2)


@pytest.fixture
def browser(desk: Desk) -> Browser:
    return browser_of(desk.accounts[0])


@pytest.fixture
def stranger(desk: Desk) -> Browser:
    return browser_of(desk.accounts[1])


def test_a_command_is_accepted_once_and_its_repeat_gets_the_same_order(desk: Desk, browser: Browser) -> None:
    body = browser.order(desk)
    first, second = (browser.post("/orders/commands", body) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202), first.content
    assert first.json()["id"] == second.json()["id"]
    assert first.json()["source"] == "web"
    assert len(orders_recent(browser.account_id, 10)) == 1

    query = {"account_id": str(browser.account_id), "client_order_id": body["client_order_id"]}
    assert browser.client.get("/orders/commands", query).json()["id"] == first.json()["id"]
    missing = browser.client.get("/orders/commands", {**query, "client_order_id": "never sent"})
    assert missing.status_code == 404
    assert missing["Content-Type"] == "application/problem+json"


def test_a_refused_command_says_why_and_shows_the_order_it_was_kept_as(desk: Desk, browser: Browser) -> None:
    response = browser.post("/orders/commands", browser.order(desk, qty="999999999"))
    assert response.status_code == 403
    problem = response.json()
    assert problem["code"] == 40310000
    assert problem["order"]["status"] == "rejected"
    assert all(why["sentence"] for why in problem["errors"])


@pytest.mark.parametrize(
    "changes",
    [
        {"qty": "NaN"},
        {"qty": "-1"},
        {"qty": "0"},
        {"symbol": "NOWHERE"},
        {"status": "filled"},
        {"side": "hold"},
        {"client_order_id": None},
    ],
)
def test_a_command_that_is_none_stores_nothing(desk: Desk, browser: Browser, changes: dict[str, Any]) -> None:
    response = browser.post("/orders/commands", browser.order(desk, **changes))
    assert response.status_code == 422, response.content
    assert orders_recent(browser.account_id, 10) == []


def test_a_preview_places_nothing_and_judges_as_the_check_would(desk: Desk, browser: Browser) -> None:
    good = browser.post("/orders/preview", browser.order(desk))
    assert good.status_code == 200, good.content
    assert (good.json()["approved"], good.json()["notional"], good.json()["position_after"]) == (True, "500", "5")
    bad = browser.post("/orders/preview", browser.order(desk, qty="999999999")).json()
    assert not bad["approved"]
    assert [check["sentence"] for check in bad["checks"] if not check["passed"]]
    assert orders_recent(browser.account_id, 10) == []


def test_another_account_s_order_is_as_if_it_were_not_there(desk: Desk, browser: Browser, stranger: Browser) -> None:
    body = browser.order(desk)
    order = browser.post("/orders/commands", body).json()
    query = {"account_id": str(browser.account_id), "client_order_id": body["client_order_id"]}
    seen = [
        stranger.client.get("/orders/commands", query),
        stranger.client.get(f"/orders/{order['id']}/events"),
        stranger.client.get(f"/orders/{order['id']}"),
        stranger.post(f"/orders/{order['id']}/cancel"),
        stranger.post("/orders/commands", browser.order(desk)),
        stranger.post("/orders/preview", browser.order(desk)),
        stranger.client.get("/", {"account": account_by_id(browser.account_id).number}),
    ]
    assert [response.status_code for response in seen] == [404] * len(seen)
    assert len(orders_recent(browser.account_id, 10)) == 1


def test_who_may_only_watch_sees_and_cannot_trade(desk: Desk, browser: Browser, stranger: Browser) -> None:
    apps.get_model("accounts", "Grant").objects.create(
        account_id=browser.account_id,
        user_id=account_by_id(stranger.account_id).owner_id,
        permission="view",
        granted_at=clock.now(),
    )
    order = browser.post("/orders/commands", browser.order(desk)).json()
    assert stranger.client.get(f"/orders/{order['id']}").status_code == 200
    assert stranger.client.get(f"/orders/{order['id']}/events").status_code == 200
    assert stranger.post(f"/orders/{order['id']}/cancel").status_code == 404
    assert stranger.post("/orders/commands", browser.order(desk)).status_code == 404


def test_a_cancel_before_it_was_sent_is_done_at_once_and_told_in_the_timeline(desk: Desk, browser: Browser) -> None:
    order = browser.post("/orders/commands", browser.order(desk, time_in_force="gtc")).json()
    cancelled = browser.post(f"/orders/{order['id']}/cancel")
    assert cancelled.status_code == 202, cancelled.content
    events = browser.client.get(f"/orders/{order['id']}/events").json()["events"]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["title"].startswith("Accepted")
    assert events[0]["actor"] == "you"
    assert "Order" in browser.client.get(f"/orders/{order['id']}").content.decode()


def test_nobody_commands_without_session_or_token(desk: Desk, browser: Browser) -> None:
    assert Client().post("/orders/commands", b"{}", content_type="application/json").status_code == 401
    assert Client().get("/").status_code == 302
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser.client.cookies
    response = strict.post("/orders/commands", orjson.dumps(browser.order(desk)), content_type="application/json")
    assert response.status_code == 403
    assert orders_recent(browser.account_id, 10) == []
