"""The hot commands: place one order, place many, replace one, cancel one, cancel all. Plain async views.

They share parser, authentication, rate and errors with everything else; only the way there is shorter. Orders go
through the placement queue, which verifies keys and counts rates for a whole batch of requests at once; whatever else
comes with a key gathers at `accounts.api.admitting`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial, wraps
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from accounts.api.admitting import admitted, admitted_to_cancel
from accounts.api.authentication import address_of, correlation_of, credentials_of, grant_problem
from accounts.api.errors import UNAUTHORIZED, Problem, ProblemError, problem_of, problem_response
from accounts.api.idempotency import claimed, has_idempotency_key, idempotency_key_of, kept, replayed
from accounts.api.pool import in_cancel_pool, in_pool
from accounts.api.rates import OverRateError, rate_problem, with_rate
from accounts.api.renderers import encode, json_response
from accounts.domain.idempotency import IdempotencyClaim
from accounts.domain.types import KeyGrant
from accounts.services import orders_request
from audit.domain.types import Actor
from orders.api.answers import (
    bulk_json,
    cancel_json,
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
from orders.services import order_cancel, orders_cancel_all
from orders.services.authorising import KeyedOrders
from orders.services.queue import Placed, placement_queue
from trading_portal.kernel import clock

JSON = "application/json"
View = Callable[..., Coroutine[Any, Any, HttpResponse]]


def answered(view: View) -> View:
    """Turn whatever goes wrong into a problem document, with the headers of the rate that refused."""

    @wraps(view)
    async def answer(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        try:
            return await view(request, **kwargs)
        except (OverRateError, RateLimited) as error:
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
    return await kept(claim, with_rate(response, placed.rate))


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
    response = HttpResponse(answer, content_type=JSON)
    return await kept(claim, with_rate(response, placed.rate))


@answered
async def order_cancel_one(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Ask for the cancel of one order; never refused for its rate."""
    grant = await admitted_to_cancel(request)
    problem = await in_cancel_pool(_cancel, request, grant, order_id)
    return HttpResponse(status=204) if problem is None else problem_response(problem, request)


@answered
async def orders_cancel_every(request: HttpRequest) -> HttpResponse:
    """Ask for the cancel of every open order of an account; never refused for its rate."""
    grant = await admitted_to_cancel(request)
    answer = await in_cancel_pool(_cancel_every, request, grant)
    return HttpResponse(answer, status=HTTPStatus.MULTI_STATUS, content_type=JSON)


def _cancel(request: HttpRequest, grant: KeyGrant, order_id: UUID) -> Problem | None:
    outcome = order_cancel(
        order_id=order_id,
        account_id=grant.account_id,
        by=Actor.api_key(grant.key_id),
        correlation_id=correlation_of(request),
        at=clock.now(),
    )
    return cancel_problem(outcome)


def _cancel_every(request: HttpRequest, grant: KeyGrant) -> bytes:
    outcomes = orders_cancel_all(
        account_id=grant.account_id,
        by=Actor.api_key(grant.key_id),
        correlation_id=correlation_of(request),
        at=clock.now(),
    )
    request_id = getattr(request, "request_id", "")
    return encode([cancel_json(outcome, path=request.path, request_id=request_id) for outcome in outcomes])


@answered
async def order_replace_one(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Ask for other terms of one order; counts as an order, and the answer follows its commit."""
    grant, rate = await admitted(request, orders_request)
    answer = await in_pool(_replace, request, grant, order_id)
    response = problem_response(answer, request) if isinstance(answer, Problem) else json_response(answer)
    return with_rate(response, rate)


def _replace(request: HttpRequest, grant: KeyGrant, order_id: UUID) -> dict[str, object] | Problem:
    outcome = replace_now(
        request.body,
        order_id=order_id,
        account_id=grant.account_id,
        by=Actor.api_key(grant.key_id),
        correlation_id=correlation_of(request),
    )
    return outcome if isinstance(outcome, Problem) else replace_json(outcome)


async def _place(
    request: HttpRequest, orders: tuple[OrderFields, ...] | Problem, *, source: Source, all_or_none: bool = False
) -> tuple[Placed, IdempotencyClaim | None] | HttpResponse:
    """Return what became of the orders, or the answer that was given to this request before.

    What cannot be read, and what comes with an Idempotency-Key, is admitted first.
    """
    credentials = credentials_of(request)
    if credentials is None:
        raise ProblemError(UNAUTHORIZED)
    at = clock.now()
    if not isinstance(orders, Problem) and not has_idempotency_key(request):
        keyed = KeyedOrders(credentials, address_of(request), orders, source, correlation_of(request), at)
        return await placement_queue().place_all(keyed, all_or_none=all_or_none), None
    cost = 1 if isinstance(orders, Problem) else len(orders)
    grant, rate = await admitted(request, partial(orders_request, cost=cost))
    if isinstance(orders, Problem):
        return with_rate(problem_response(orders, request), rate)
    claim = await in_pool(claimed, request, grant, idempotency_key_of(request) or "")
    if claim.status:
        return with_rate(replayed(claim), rate)
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


def _bulk_answer(request: HttpRequest, body: BulkBody, placements: Sequence[Placement]) -> bytes:
    request_id = getattr(request, "request_id", "")
    return encode(bulk_json(body, placements, path=request.path, request_id=request_id))
