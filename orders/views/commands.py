"""What pages ask for: place, preview, amend, cancel, and what became of it. Session, CSRF; refusals problem+json."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from typing import Any, cast
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.api.errors import NOT_FOUND, Problem, ProblemError, problem_of, problem_response
from accounts.domain.types import AccountFacts
from accounts.selectors import account_for_trading, account_visible
from audit.domain.types import Actor
from audit.selectors import events_of_stream
from orders.api.answers import NO_ORDER, cancel_problem, placement_problem
from orders.api.preview import preview_json
from orders.api.problems import unreadable
from orders.api.replacing import replace_now
from orders.broadcasts import order_json
from orders.domain.commands import OrderFields, PlaceOrder, place_order
from orders.domain.facts import OrderFacts
from orders.domain.parsing import decode_json_body, parse_order
from orders.domain.timeline import timeline
from orders.selectors import order_by_client_order_id, order_now
from orders.services import order_cancel
from orders.services.queue import placement_queue
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Reason, reason

SIGNED_OUT = Problem(401, "Your session has ended. Sign in again; what you typed is kept.")
NO_ACCOUNT = Problem(404, "There is no such account.")

SyncView = Callable[..., HttpResponse]
AsyncView = Callable[..., Coroutine[Any, Any, HttpResponse]]


def answers(view: SyncView) -> SyncView:
    """Let only signed-in people in, and turn what goes wrong into problem+json."""

    @wraps(view)
    def answered(request: HttpRequest, **values: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return problem_response(SIGNED_OUT, request)
        try:
            return view(request, **values)
        except Exception as error:  # noqa: BLE001 - whatever it is, the page gets a problem it can read
            return problem_response(problem_of(error), request)

    return answered


def answers_later(view: AsyncView) -> AsyncView:
    """Do the same for a view that awaits."""

    @wraps(view)
    async def answered(request: HttpRequest, **values: Any) -> HttpResponse:
        if not (await request.auser()).is_authenticated:
            return problem_response(SIGNED_OUT, request)
        try:
            return await view(request, **values)
        except Exception as error:  # noqa: BLE001 - whatever it is, the page gets a problem it can read
            return problem_response(problem_of(error), request)

    return answered


@require_http_methods(["GET", "POST"])
@answers_later
async def commands(request: HttpRequest) -> HttpResponse:
    """Place an order, or say what became of one."""
    user_id = cast(UUID, (await request.auser()).pk)
    if request.method == "GET":
        order = await sync_to_async(_order_asked)(user_id, request.GET)
        return JsonResponse(order_json(order))
    command = await sync_to_async(_command)(request, user_id)
    placement = await placement_queue().place(command)
    problem = placement_problem(placement)
    if problem is not None or placement.order is None:
        return problem_response(problem or NO_ORDER, request)
    return JsonResponse(order_json(placement.order), status=202)


@require_POST
@answers
def preview(request: HttpRequest) -> HttpResponse:
    """Say what an order would cost and which checks it would pass; place nothing."""
    account, fields = _read(request, cast(UUID, request.user.pk))
    return JsonResponse(preview_json(account, fields, at=clock.now()))


@require_POST
@answers
def cancel(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Ask for an order's cancel."""
    user_id = cast(UUID, request.user.pk)
    order = _order_of(user_id, order_id, account_for_trading)
    outcome = order_cancel(
        order_id=order.id,
        account_id=order.account_id,
        by=Actor.user(user_id),
        correlation_id=correlation_of(request),
        at=clock.now(),
    )
    problem = cancel_problem(outcome)
    if problem is not None or outcome.order is None:
        return problem_response(problem or NO_ORDER, request)
    return JsonResponse(order_json(outcome.order), status=202)


@require_POST
@answers
def amend(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Ask for other terms of an order, with the fields of the API's PATCH; the answer is the order as it waits."""
    user_id = cast(UUID, request.user.pk)
    order = _order_of(user_id, order_id, account_for_trading)
    outcome = replace_now(
        request.body,
        order_id=order.id,
        account_id=order.account_id,
        by=Actor.user(user_id),
        correlation_id=correlation_of(request),
    )
    if isinstance(outcome, Problem) or outcome.order is None:
        return problem_response(outcome if isinstance(outcome, Problem) else NO_ORDER, request)
    return JsonResponse(order_json(outcome.order), status=202)


@require_GET
@answers
def events(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Return an order's timeline."""
    user_id = cast(UUID, request.user.pk)
    order = _order_of(user_id, order_id, account_visible)
    return JsonResponse({"events": timeline(events_of_stream(f"order:{order.id}"), reader_id=user_id)})


def _command(request: HttpRequest, user_id: UUID) -> PlaceOrder:
    account, fields = _read(request, user_id)
    if fields.client_order_id is None:
        raise ProblemError(unreadable([reason("FIELD_REQUIRED", field="client_order_id")]))
    return place_order(
        fields,
        account_id=account.id,
        by=Actor.user(user_id),
        source="web",
        correlation_id=correlation_of(request),
        placed_at=clock.now(),
    )


def _read(request: HttpRequest, user_id: UUID) -> tuple[AccountFacts, OrderFields]:
    """Return the account that a body names, which the person may trade in, and the order it describes."""
    body = body_read(request)
    account = account_traded(user_id, body)
    fields = parse_order({name: value for name, value in body.items() if name != "account_id"})
    if isinstance(fields, list):
        raise ProblemError(unreadable(fields))
    return account, fields


def body_read(request: HttpRequest) -> dict[str, object]:
    """Return the JSON object that a request holds; raise ProblemError for anything else."""
    body = decode_json_body(request.body)
    if isinstance(body, Reason):
        raise ProblemError(unreadable([body]))
    if not isinstance(body, dict):
        raise ProblemError(unreadable([reason("BODY_NOT_AN_OBJECT")]))
    return body


def account_traded(user_id: UUID, body: Mapping[str, object]) -> AccountFacts:
    """Return the account that a body names; raise ProblemError unless the person may trade in it."""
    account = account_for_trading(user_id, _account_id(body))
    if account is None:
        raise ProblemError(NO_ACCOUNT)
    return account


def _account_id(given: Mapping[str, object]) -> UUID:
    try:
        return UUID(str(given.get("account_id", "")))
    except ValueError:
        raise ProblemError(NO_ACCOUNT) from None


def _order_asked(user_id: UUID, query: Mapping[str, object]) -> OrderFacts:
    """Return the order of that client_order_id in an account the person may see."""
    account = account_visible(user_id, _account_id(query))
    order = order_by_client_order_id(account.id, str(query.get("client_order_id", ""))) if account else None
    if order is None:
        raise ProblemError(NO_ORDER)
    return order


def _order_of(user_id: UUID, order_id: UUID, may: Callable[[UUID, UUID], AccountFacts | None]) -> OrderFacts:
    """Return an order of an account in which the person may do that; else it is as if it were not there."""
    order = order_now(order_id)
    if order is None or may(user_id, order.account_id) is None:
        raise ProblemError(NOT_FOUND)
    return order


def correlation_of(request: HttpRequest) -> UUID:
    """Return what ties everything that follows from a request together."""
    correlation_id: UUID = request.correlation_id  # type: ignore[attr-defined]
    return correlation_id
