"""The hot commands: place one order, place many, replace one, cancel one. Plain async views at their resources.

They share parser, authentication, rate and errors with everything else; only the way there is shorter. Orders go
through the placement queue, which verifies keys and counts rates for a whole batch of requests at once.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from typing import Any
from uuid import UUID

import orjson
from django.http import HttpRequest, HttpResponse

from accounts.api.authentication import address_of, correlation_of, credentials_of, grant_of, grant_problem
from accounts.api.errors import MEDIA_TYPE, UNAUTHORIZED, Problem, ProblemError, problem_of, problem_response
from accounts.api.pool import in_cancel_pool, in_pool
from accounts.api.rates import orders_request, rate_problem, with_rate
from accounts.api.renderers import encode, json_response
from accounts.domain.idempotency import IdempotencyClaim, is_usable, request_hash
from accounts.domain.keys import SCOPE_TRADE
from accounts.domain.rates import RateAnswer
from accounts.domain.types import KeyGrant
from accounts.services import idempotency_answer, idempotency_claim, rates_take
from audit.domain.types import Actor
from orders.api.answers import (
    bulk_json,
    cancel_problem,
    placement_json,
    placement_problem,
    replace_json,
)
from orders.api.bodies import BulkBody, bulk_read, order_read, with_ids
from orders.api.replacing import replace_now
from orders.domain.commands import OrderFields, Source, place_order
from orders.domain.errors import KeyForbidden, KeyNotAccepted, RateLimited
from orders.domain.facts import Placement
from orders.services import order_cancel
from orders.services.authorising import KeyedOrders
from orders.services.queue import Placed, placement_queue
from trading_portal.kernel import clock

IDEMPOTENCY_KEY = "Idempotency-Key"
IDEMPOTENCY_META = "HTTP_IDEMPOTENCY_KEY"
REPLAYED = {"Idempotent-Replayed": "true"}
View = Callable[..., Coroutine[Any, Any, HttpResponse]]


def answered(view: View) -> View:
    """Turn whatever goes wrong into a problem document, with the headers of the rate that refused."""

    @wraps(view)
    async def answer(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        try:
            return await view(request, **kwargs)
        except RateLimited as error:
            return with_rate(problem_response(rate_problem(error.rate), request), error.rate)
        except KeyNotAccepted:
            return problem_response(UNAUTHORIZED, request)
        except KeyForbidden as error:
            return problem_response(grant_problem(error.reason), request)
        except Exception as error:  # noqa: BLE001 - every failure is told as a problem document
            return problem_response(problem_of(error), request)

    return answer


@answered
async def order_place(request: HttpRequest) -> HttpResponse:
    """Place one order; the answer follows its commit."""
    parsed = order_read(request.body)
    orders = parsed if isinstance(parsed, Problem) else (parsed,)
    done = await _place(request, orders, source="api")
    if isinstance(done, HttpResponse):
        return done
    placed, claim = done
    (placement,) = placed.placements
    problem = placement_problem(placement)
    response = problem_response(problem, request) if problem else json_response(placement_json(placement))
    return await _kept(claim, with_rate(response, placed.rate))


@answered
async def orders_place_bulk(request: HttpRequest) -> HttpResponse:
    """Place up to a thousand orders, each decided on its own or all or none; one answer for each."""
    body = bulk_read(request.body)
    if isinstance(body, Problem):
        done = await _place(request, body, source="bulk")
    else:
        done = await _place(request, body.orders, source="bulk", all_or_none=body.all_or_none)
    if isinstance(done, HttpResponse):
        return done
    assert isinstance(body, BulkBody)
    placed, claim = done
    answer = await in_pool(_bulk_answer, request, body, placed.placements)
    response = HttpResponse(answer, content_type="application/json")
    return await _kept(claim, with_rate(response, placed.rate))


@answered
async def order_cancel_one(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Ask for the cancel of one order; never refused for its rate."""
    problem = await in_cancel_pool(_cancel, request, order_id)
    return HttpResponse(status=204) if problem is None else problem_response(problem, request)


def _cancel(request: HttpRequest, order_id: UUID) -> Problem | None:
    grant = grant_of(request, scope=SCOPE_TRADE)
    outcome = order_cancel(
        order_id=order_id,
        account_id=grant.account_id,
        by=Actor.api_key(grant.key_id),
        correlation_id=correlation_of(request),
        at=clock.now(),
    )
    return cancel_problem(outcome)


@answered
async def order_replace_one(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Ask for other terms of one order; counts as an order, and the answer follows its commit."""
    answer, rate = await in_pool(_replace, request, order_id)
    response = problem_response(answer, request) if isinstance(answer, Problem) else json_response(answer)
    return with_rate(response, rate)


def _replace(request: HttpRequest, order_id: UUID) -> tuple[dict[str, object] | Problem, RateAnswer]:
    grant, rate = _admit(request, 1)
    outcome = replace_now(
        request.body,
        order_id=order_id,
        account_id=grant.account_id,
        by=Actor.api_key(grant.key_id),
        correlation_id=correlation_of(request),
    )
    return outcome if isinstance(outcome, Problem) else replace_json(outcome), rate


async def _place(
    request: HttpRequest, orders: tuple[OrderFields, ...] | Problem, *, source: Source, all_or_none: bool = False
) -> tuple[Placed, IdempotencyClaim | None] | HttpResponse:
    """Return what became of the orders, or the answer that was given to this request before.

    What cannot be read, and what comes with an Idempotency-Key, is admitted first and by itself.
    """
    credentials = credentials_of(request)
    if credentials is None:
        raise ProblemError(UNAUTHORIZED)
    at, key = clock.now(), request.META.get(IDEMPOTENCY_META)
    if not isinstance(orders, Problem) and key is None:
        keyed = KeyedOrders(credentials, address_of(request), orders, source, correlation_of(request), at)
        return await placement_queue().place_all(keyed, all_or_none=all_or_none), None
    grant, rate = await in_pool(_admit, request, 1 if isinstance(orders, Problem) else max(len(orders), 1))
    if isinstance(orders, Problem):
        return with_rate(problem_response(orders, request), rate)
    claim = await in_pool(_claim, request, grant, key or "")
    if claim.status:
        return with_rate(_replay(claim), rate)
    commands = tuple(
        place_order(
            fields,
            account_id=grant.account_id,
            by=Actor.api_key(grant.key_id),
            source=source,
            correlation_id=correlation_of(request),
            placed_at=at,
            api_key_pk=grant.key_pk,
        )
        for fields in with_ids(orders, claim)
    )
    placed = await placement_queue().place_all(commands, all_or_none=all_or_none)
    return Placed(placed.placements, rate), claim


def _admit(request: HttpRequest, cost: int) -> tuple[KeyGrant, RateAnswer]:
    """Return what the caller's key grants and has left; raise for who may not."""
    grant = grant_of(request, scope=SCOPE_TRADE)
    (rate,) = rates_take([orders_request(grant, cost)])
    if not rate.is_allowed:
        raise RateLimited(rate)
    return grant, rate


def _claim(request: HttpRequest, grant: KeyGrant, key: str) -> IdempotencyClaim:
    """Claim an Idempotency-Key; raise ProblemError for one that is no key, or belongs to another request."""
    if not is_usable(key):
        raise ProblemError(Problem(422, f"{IDEMPOTENCY_KEY} must be 1 to 128 visible ASCII characters."))
    asked = request_hash(request.method or "", request.path, request.body)
    claim = idempotency_claim(account_id=grant.account_id, key=key, request_hash=asked, at=clock.now())
    if claim.request_hash != asked:
        raise ProblemError(Problem(422, f"This {IDEMPOTENCY_KEY} belongs to another request."))
    return claim


def _replay(claim: IdempotencyClaim) -> HttpResponse:
    media_type = MEDIA_TYPE if claim.status >= 400 else "application/json"
    return HttpResponse(encode(claim.body), status=claim.status, headers=REPLAYED, content_type=media_type)


async def _kept(claim: IdempotencyClaim | None, response: HttpResponse) -> HttpResponse:
    """Keep an answer under the key that claimed it; what could not be decided was raised and is never kept."""
    if claim is not None:
        body = orjson.loads(response.content)
        await in_pool(idempotency_answer, claim=claim, status=response.status_code, body=body)
    return response


def _bulk_answer(request: HttpRequest, body: BulkBody, placements: Sequence[Placement]) -> bytes:
    request_id = getattr(request, "request_id", "")
    return encode(bulk_json(body, placements, path=request.path, request_id=request_id))
