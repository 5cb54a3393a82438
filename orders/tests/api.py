"""What API tests share: accounts with keys, instruments with live prices, and how an answer must look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.test import Client

from accounts import services
from accounts.selectors import account_by_id
from orders.tests.desk import rows
from positions.tests.helpers import BY, new_account
from trading_portal.kernel import clock


@dataclass(frozen=True)
class Caller:
    """A key of a fresh account."""

    account_id: UUID
    key_id: str
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        return {"APCA-API-KEY-ID": self.key_id, "APCA-API-SECRET-KEY": self.secret}

    def get(self, path: str, headers: Mapping[str, str] | None = None, **query: Any) -> Any:
        return Client().get(path, query, headers={**self.headers, **(headers or {})})

    def post(self, path: str, body: Any, **headers: str) -> Any:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        return Client().post(path, data, content_type="application/json", headers={**self.headers, **headers})

    def patch(self, path: str, body: Any) -> Any:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        return Client().patch(path, data, content_type="application/json", headers=self.headers)

    def delete(self, path: str, **headers: str) -> Any:
        return Client().delete(path, headers={**self.headers, **headers})


def new_caller(*, cash: str = "1000000", account_id: UUID | None = None, **options: Any) -> Caller:
    account_id = account_id or new_account(("USD", cash))
    options = {"scopes": ["account:read", "trading"], "orders_per_minute": 100_000, **options}
    key = services.api_key_create(
        user_id=account_by_id(account_id).owner_id,
        account_id=account_id,
        name="k",
        by=BY,
        at=clock.now(),
        **options,
    )
    return Caller(account_id, key.key_id, key.secret)


def stored(caller: Caller) -> int:
    """Return how many orders the caller's account has."""
    return rows("SELECT count(*) FROM orders_order WHERE account_id = %s", caller.account_id)[0][0]


def assert_problem(response: Any, status: int, code: int) -> dict[str, Any]:
    """Check the shape of a problem document, and return it."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["code"]) == (status, code), body
    assert body["message"] == body["detail"] != ""
    assert body["request_id"] == response["X-Request-ID"]
    assert {"type", "title", "instance", "errors"} <= body.keys()
    return body
