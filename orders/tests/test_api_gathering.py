"""Whatever comes with a key is judged together: one statement and one Redis call for a burst, on threads of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import resolve
from django_redis import get_redis_connection
from rest_framework.test import APIRequestFactory

from accounts.api.pool import THREADS, in_pool
from accounts.services import admitting
from orders.api import views
from orders.tests.api import Caller, new_caller
from orders.tests.desk import Desk
from trading_portal.kernel.errors import Unavailable, reason

BURST = 24

Asked = tuple[Caller, str, str, Any, dict[str, str]]


@pytest.fixture
def desk() -> Desk:
    return Desk(accounts=BURST)


@pytest.fixture
def callers(desk: Desk) -> list[Caller]:
    return [new_caller(account_id=account_id) for account_id in desk.accounts]


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note how many keys each statement verifies."""
    sizes: list[int] = []
    keys_read = admitting.keys_read

    def noted(credentials: Sequence[tuple[str, str]], at: Any) -> Any:
        sizes.append(len(credentials))
        return keys_read(credentials, at)

    monkeypatch.setattr(admitting, "keys_read", noted)
    return sizes


def request_of(asked: Asked) -> HttpRequest:
    caller, method, path, body, headers = asked
    data = b"" if body is None else orjson.dumps(body)
    given = {**caller.headers, **headers}
    return RequestFactory().generic(method, path, data, content_type="application/json", headers=given)


async def answer_to(request: HttpRequest) -> HttpResponse:
    match = resolve(request.path)
    answer: HttpResponse = await match.func(request, **match.kwargs)
    return answer


def together(*asked: Asked) -> list[HttpResponse]:
    """Ask for everything at the same moment, as the handler of a process does: by the views themselves."""

    async def run() -> list[HttpResponse]:
        return await asyncio.gather(*(answer_to(request_of(each)) for each in asked))

    return asyncio.run(run())


def lua_calls() -> int:
    told = get_redis_connection("default").info("commandstats")
    return sum(told.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha", "eval"))


def counted(*asked: Asked) -> tuple[list[HttpResponse], int]:
    """Return the answers to what is asked at once, and how many Lua calls they cost."""
    before = lua_calls()
    answers = together(*asked)
    return answers, lua_calls() - before


def order(desk: Desk, **changes: Any) -> dict[str, Any]:
    body = {"symbol": desk.symbol, "side": "buy", "type": "limit", "time_in_force": "gtc", "qty": "1"}
    return {**body, "limit_price": "99", **changes}


# One Redis call for a burst


def test_a_burst_of_replaces_costs_fewer_lua_calls_than_it_has_requests(desk: Desk, callers: list[Caller]) -> None:
    ids = [desk.working(account_id=each.account_id, quantity="10") for each in callers]
    burst: list[Asked] = [
        (each, "PATCH", f"/v2/orders/{order_id}", {"qty": "11"}, {})
        for each, order_id in zip(callers, ids, strict=True)
    ]
    answers, calls = counted(*burst)
    assert {each.status_code for each in answers} == {200}, answers[0].content
    assert [each["X-RateLimit-Remaining"] for each in answers] == ["99999"] * BURST
    assert 1 <= calls <= 3


def test_a_burst_of_orders_under_idempotency_keys_costs_few_lua_calls_and_repeats_are_counted_too(
    desk: Desk, callers: list[Caller]
) -> None:
    burst: list[Asked] = [(each, "POST", "/v2/orders", order(desk), {"Idempotency-Key": "k-1"}) for each in callers]
    answers, calls = counted(*burst)
    assert {each.status_code for each in answers} == {200}, answers[0].content
    assert 1 <= calls <= 3
    again, calls = counted(*burst)
    assert {each["Idempotent-Replayed"] for each in again} == {"true"}
    assert [each["X-RateLimit-Remaining"] for each in again] == ["99998"] * BURST
    assert [orjson.loads(each.content)["id"] for each in again] == [
        orjson.loads(each.content)["id"] for each in answers
    ]
    assert 1 <= calls <= 3


def test_what_cannot_be_read_is_counted_together_too(callers: list[Caller]) -> None:
    answers, calls = counted(*((each, "POST", "/v2/orders", {"qty": "x"}, {}) for each in callers))
    assert {each.status_code for each in answers} == {422}
    assert [each["X-RateLimit-Remaining"] for each in answers] == ["99999"] * BURST
    assert 1 <= calls <= 3


def test_a_burst_of_closes_costs_few_lua_calls(desk: Desk, callers: list[Caller]) -> None:
    answers, calls = counted(*((each, "DELETE", "/v2/positions", None, {}) for each in callers))
    assert [(each.status_code, each.content) for each in answers] == [(207, b"[]")] * BURST
    assert 1 <= calls <= 3


def test_requests_of_one_key_in_one_burst_are_counted_exactly(desk: Desk) -> None:
    caller = new_caller(account_id=desk.account, orders_per_minute=5)
    path = f"/v2/orders/{UUID(int=1)}"
    answers = together(*((caller, "PATCH", path, {"qty": "11"}, {}) for _ in range(BURST)))
    assert sorted(each.status_code for each in answers) == [404] * 5 + [429] * (BURST - 5)
    over = next(each for each in answers if each.status_code == 429)
    assert (over["X-RateLimit-Remaining"], over["X-RateLimit-Limit"]) == ("0", "5")
    assert orjson.loads(over.content)["errors"][0]["code"] == "RATE_LIMIT_EXCEEDED"


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "spoiled"}], ids=["queued", "admitted"])
def test_a_bulk_without_an_order_counts_as_one_whichever_way_it_is_counted(desk: Desk, headers: dict[str, str]) -> None:
    caller = new_caller(account_id=desk.account)
    spoiled = {"orders": [{"qty": "x"}, order(desk)], "all_or_none": True}
    (answer,) = together((caller, "POST", "/v2/orders/bulk", spoiled, headers))
    assert (answer.status_code, answer["X-RateLimit-Remaining"]) == (200, "99999")


# Cancels


def test_a_burst_of_cancel_alls_verifies_its_keys_together_and_costs_no_lua_call(
    desk: Desk, callers: list[Caller], verified: list[int]
) -> None:
    ids = [desk.accepted(account_id=each.account_id) for each in callers]
    answers, calls = counted(*((each, "DELETE", "/v2/orders", None, {}) for each in callers))
    assert {each.status_code for each in answers} == {207}
    told = [orjson.loads(each.content) for each in answers]
    assert [[(one["id"], one["status"], one["body"]["status"]) for one in each] for each in told] == [
        [(str(order_id), 200, "canceled")] for order_id in ids
    ]
    assert calls == 0
    assert (sum(verified), len(verified) <= 3) == (BURST, True)


def test_a_burst_of_single_cancels_verifies_its_keys_together(
    desk: Desk, callers: list[Caller], verified: list[int]
) -> None:
    ids = [desk.accepted(account_id=each.account_id) for each in callers]
    answers = together(
        *((each, "DELETE", f"/v2/orders/{order_id}", None, {}) for each, order_id in zip(callers, ids, strict=True))
    )
    assert {each.status_code for each in answers} == {204}
    assert (sum(verified), len(verified) <= 3) == (BURST, True)


@pytest.mark.parametrize("is_working", [True, False], ids=["asked for", "ended at once"])
def test_the_documented_resource_answers_a_cancel_of_all_as_its_address_does(desk: Desk, is_working: bool) -> None:
    caller = new_caller(account_id=desk.account)

    def orders() -> None:
        (desk.working if is_working else desk.accepted)(account_id=caller.account_id)

    orders()
    (hot,) = together((caller, "DELETE", "/v2/orders", None, {}))
    desk.accepted(account_id=caller.account_id)
    made = APIRequestFactory().delete("/v2/orders", headers=caller.headers)
    documented = views.OrderList.as_view()(made)
    assert (documented.status_code, documented["Content-Type"]) == (hot.status_code, hot["Content-Type"])
    (first,), later = orjson.loads(hot.content), orjson.loads(documented.content)
    assert first.keys() == later[-1].keys() == {"id", "status", "body"}
    assert first["body"]["status"] == ("pending_cancel" if is_working else "canceled")


def test_one_that_cannot_be_cancelled_tells_its_own_problem_within_the_answer(desk: Desk) -> None:
    caller = new_caller(account_id=desk.account)
    order_id = desk.working(account_id=caller.account_id, quantity="10")
    together((caller, "PATCH", f"/v2/orders/{order_id}", {"qty": "11"}, {}))
    (answer,) = together((caller, "DELETE", "/v2/orders", None, {}))
    (told,) = orjson.loads(answer.content)
    assert (answer.status_code, told["status"], told["body"]["code"]) == (207, 422, 42210000)
    assert told["body"]["instance"] == f"/v2/orders/{order_id}"
    assert told["body"]["errors"][0]["code"] == "CANCEL_ALREADY_PENDING"


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [({"secret": "wrong"}, 401, 40110000), ({"scopes": ["account:read"]}, 403, 40310000)],
)
def test_who_may_not_trade_cancels_nothing(desk: Desk, key: dict[str, Any], status: int, code: int) -> None:
    order_id = desk.accepted()
    made = new_caller(account_id=desk.account, **{name: each for name, each in key.items() if name != "secret"})
    caller = Caller(made.account_id, made.key_id, key.get("secret", made.secret))
    (answer,) = together((caller, "DELETE", "/v2/orders", None, {}))
    assert (answer.status_code, orjson.loads(answer.content)["code"]) == (status, code)
    assert desk.status(order_id) == "accepted"


# What cancels wait for


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let every count of rates wait, as where Redis hangs, until the test is over."""
    proceed = threading.Event()

    def hang(requests: Any, **_: Any) -> Any:
        assert proceed.wait(20)
        raise Unavailable(reason("RATE_UNKNOWN"), "held")

    monkeypatch.setattr(admitting.calls_admit, "__kwdefaults__", {"take_rates": hang})
    yield proceed
    proceed.set()


def test_cancels_pass_while_nothing_can_be_counted_and_every_other_thread_is_taken(
    desk: Desk, callers: list[Caller], held: threading.Event
) -> None:
    first, second, *others = callers
    order_id, _ = (desk.accepted(account_id=each.account_id) for each in (first, second))

    async def run() -> list[HttpResponse]:
        stuck: list[Awaitable[Any]] = [asyncio.create_task(in_pool(held.wait, 20)) for _ in range(THREADS)]
        closes = [request_of((each, "DELETE", "/v2/positions", None, {})) for each in others]
        stuck += [asyncio.create_task(answer_to(each)) for each in closes]
        await asyncio.sleep(0.1)
        one = request_of((first, "DELETE", f"/v2/orders/{order_id}", None, {}))
        every = request_of((second, "DELETE", "/v2/orders", None, {}))
        cancels = answer_to(one), answer_to(every)
        answers = await asyncio.wait_for(asyncio.gather(*cancels), 5)
        held.set()
        refused = await asyncio.gather(*stuck[THREADS:])
        return [*answers, *refused]

    one, every, *refused = asyncio.run(run())
    assert (one.status_code, every.status_code) == (204, 207)
    assert orjson.loads(every.content)[0]["body"]["status"] == "canceled"
    assert {each.status_code for each in refused} == {503}


# Idempotency-Key, once


@pytest.mark.parametrize("key", ["", "k k", "k" * 129, "schl\u00fcssel"], ids=["empty", "blank", "long", "not ASCII"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v2/orders"), ("POST", "/v2/orders/bulk"), ("DELETE", "/v2/positions"), ("DELETE", "/v2/positions/{}")],
)
def test_what_is_no_idempotency_key_is_refused_in_the_same_words_everywhere(
    desk: Desk, method: str, path: str, key: str
) -> None:
    caller = new_caller(account_id=desk.account)
    body = None if method == "DELETE" else order(desk)
    body = {"orders": [body]} if path.endswith("bulk") else body
    request = request_of((caller, method, path.format(desk.symbol), body, {}))
    request.META["HTTP_IDEMPOTENCY_KEY"] = key
    answer = asyncio.run(answer_to(request))
    told = orjson.loads(answer.content)
    assert (answer.status_code, told["code"]) == (422, 42210000)
    assert told["message"] == "Idempotency-Key must be 1 to 128 visible ASCII characters."
