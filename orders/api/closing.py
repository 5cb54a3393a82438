"""Positions, and the orders that close them.

To close is a plain async view, as in `orders.api.commands`: neither what is waited for first, the end of what works on
the positions, nor the placing of their orders holds a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from decimal import Decimal
from functools import cache, wraps
from http import HTTPStatus
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from accounts.api.admitting import admitted
from accounts.api.authentication import correlation_of
from accounts.api.errors import Problem, ProblemError, problem_of, problem_response
from accounts.api.gathering import Gathering
from accounts.api.idempotency import IDEMPOTENCY_KEY, idempotency_key_of
from accounts.api.openapi import problems
from accounts.api.parameters import Parameters
from accounts.api.pool import AsyncView, in_cancel_pool
from accounts.api.rates import OverRateError, with_rate
from accounts.api.renderers import json_response
from accounts.domain.rates import RateAnswer
from accounts.domain.types import KeyGrant
from accounts.services import orders_request
from audit.domain.types import Actor
from orders.api.answers import OK, closable, placement_json, placement_problem
from orders.api.documents import ClosingDocument, OrderDocument
from orders.api.views import instruments_named
from orders.domain.commands import PlaceOrder, place_order
from orders.domain.facts import Placement
from orders.selectors import order_by_client_order_id
from orders.services.closing import (
    OpenPosition,
    accounts_working,
    closing_id,
    closing_order,
    closing_quantity,
    orders_cancel_open,
    orders_gone,
    position_of,
    positions_open,
)
from orders.services.queue import placement_queue
from positions.api.views import Position, Positions
from trading_portal.kernel import clock, money
from trading_portal.kernel.money import plain

NO_POSITION = Problem(404, "position does not exist")
SYMBOL_OR_ID = OpenApiParameter(
    "symbol_or_id",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    description="An asset's id, or a symbol; a crypto pair as BTC/USD, BTC%2FUSD or BTCUSD.",
)
_WHOLE = Decimal(100)


def _closing(close: Callable[..., Coroutine[Any, Any, HttpResponse]]) -> AsyncView:
    """Return the view of what closes: it counts as an order, and every answer says what is left of the rate."""

    @wraps(close)
    async def view(request: HttpRequest, **given: Any) -> HttpResponse:
        rate: RateAnswer | None = None
        try:
            grant, rate = await admitted(request, orders_request)
            response = await close(request, grant, **given)
        except OverRateError as error:
            rate, response = error.rate, problem_response(error.problem, request)
        except Exception as error:  # noqa: BLE001 - every failure is told as a problem document
            response = problem_response(problem_of(error), request)
        return with_rate(response, rate)

    return view


@_closing
async def positions_close(request: HttpRequest, grant: KeyGrant) -> HttpResponse:
    """Close every position, when that is asked for after what works on them is cancelled."""
    given = Parameters(request.GET)
    is_cancelling = given.flag("cancel_orders")
    given.check()
    idempotency_key_of(request)  # before anything is done: what is no key refuses all
    if is_cancelling:
        await in_cancel_pool(_cancel_open, request, grant)
        await orders_gone(grant.account_id, is_working=_working().ask)
    pairs = await in_cancel_pool(_all_closing, request, grant)
    commands = tuple(command for _, command in pairs)
    placements = (await placement_queue().place_all(commands)).placements if commands else ()
    answers = [
        _answer(request, position, placement) for (position, _), placement in zip(pairs, placements, strict=True)
    ]
    return json_response(answers, status=HTTPStatus.MULTI_STATUS)


@_closing
async def position_close(request: HttpRequest, grant: KeyGrant, symbol_or_id: str) -> HttpResponse:
    """Close one position, or a part of it."""
    found = await in_cancel_pool(_one_closing, request, grant, symbol_or_id)
    if isinstance(found, Placement):
        return json_response(placement_json(found))
    position, command = found
    placement = await placement_queue().place(command)
    if problem := _problem(position, placement):
        raise ProblemError(problem)
    return json_response(placement_json(placement))


@cache
def _working() -> Gathering[UUID, bool]:
    """Return what tells whether orders of an account work: whoever waits looks on one thread, in one statement."""
    return Gathering(accounts_working, name="closing")


def _cancel_open(request: HttpRequest, grant: KeyGrant) -> None:
    by = Actor.api_key(grant.key_id)
    orders_cancel_open(account_id=grant.account_id, by=by, correlation_id=correlation_of(request), at=clock.now())


def _all_closing(request: HttpRequest, grant: KeyGrant) -> list[tuple[OpenPosition, PlaceOrder]]:
    """Return what is held, each with the command that closes all of it."""
    positions = positions_open(grant.account_id)
    return [(each, _command(request, grant, each, abs(each.quantity))) for each in positions]


def _one_closing(
    request: HttpRequest, grant: KeyGrant, symbol_or_id: str
) -> tuple[OpenPosition, PlaceOrder] | Placement:
    """Return the position and the command that closes what is asked of it, or what this request did before."""
    quantity, percentage = _asked(request)
    if repeated := _repeated(request, grant.account_id, symbol_or_id):
        return repeated
    position = position_of(positions_open(grant.account_id), symbol_or_id)
    if position is None:
        raise ProblemError(NO_POSITION)
    wanted = closable(position, closing_quantity(position, quantity=quantity, percentage=percentage))
    return position, _command(request, grant, position, wanted)


def _command(request: HttpRequest, grant: KeyGrant, position: OpenPosition, quantity: Decimal) -> PlaceOrder:
    return place_order(
        closing_order(position, quantity, client_order_id=_id(request, position)),
        account_id=grant.account_id,
        by=Actor.api_key(grant.key_id),
        source="api",
        correlation_id=correlation_of(request),
        placed_at=clock.now(),
        api_key_pk=grant.key_pk,
    )


def _answer(request: HttpRequest, position: OpenPosition, placement: Placement) -> dict[str, object]:
    problem, order = _problem(position, placement), placement.order
    return {
        "symbol": position.instrument.symbol,
        "order_id": str(order.id) if order else None,
        "status": problem.status if problem else OK,
        "body": problem.body(path=request.path, request_id=getattr(request, "request_id", ""))
        if problem
        else placement_json(placement),
    }


def _asked(request: HttpRequest) -> tuple[Decimal | None, Decimal | None]:
    """Return the quantity or the percentage that a request names; both or neither may be."""
    given = Parameters(request.GET)
    quantity, percentage = _amount(given, "qty"), _amount(given, "percentage")
    given.require("percentage", percentage is None or percentage <= _WHOLE, "percentage must be at most 100.")
    given.require("qty", quantity is None or percentage is None, "Name qty or percentage, not both.")
    given.check()
    return quantity, percentage


def _amount(given: Parameters, name: str) -> Decimal | None:
    written = given.text(name, limit=40)
    if written is None:
        return None
    amount = money.parse(written)
    given.require(name, amount is not None and amount > 0, f"{name} must be a plain decimal number above zero.")
    return amount


def _id(request: HttpRequest, position: OpenPosition) -> str | None:
    key = idempotency_key_of(request)
    return None if key is None else closing_id(key, position.instrument.id)


def _repeated(request: HttpRequest, account_id: UUID, symbol_or_id: str) -> Placement | None:
    """Return what this request did before, when it says that it may be a repeat: the position may be gone by now."""
    key = idempotency_key_of(request)
    if key is None:
        return None
    for instrument_id in instruments_named(symbol_or_id):
        order = order_by_client_order_id(account_id, closing_id(key, instrument_id))
        if order is not None and not order.is_refused:
            return Placement("accepted", order, is_replay=True)
    return None


def _problem(position: OpenPosition, placement: Placement) -> Problem | None:
    """Return why a position was not closed, with what of it is there: Alpaca's answer has that beside."""
    problem = placement_problem(placement)
    if problem is None:
        return None
    there = {
        "symbol": position.instrument.symbol,
        "existing_qty": plain(abs(position.quantity)),
        "held_for_orders": plain(position.committed),
        "available": plain(position.available),
    }
    return replace(problem, extra={**problem.extra, **there})


class ClosablePositions(Positions):
    """What the account holds, and its end."""

    @extend_schema(
        operation_id="positions_close",
        parameters=[
            OpenApiParameter("cancel_orders", bool, description="Cancel every open order first, and wait for that."),
            IDEMPOTENCY_KEY,
        ],
        responses={207: ClosingDocument(many=True), **problems(422)},
    )
    def delete(self, request: Request) -> HttpResponseBase:
        """Place a market order to close each position, and say of each what became of it.

        What orders that still work are going to close is not closed twice: such a position is refused.
        """
        # The address runs `positions_close` itself; this is its place in the API's document.
        return async_to_sync(positions_close)(request)


class ClosablePosition(Position):
    """What the account holds of one instrument, and its end."""

    @extend_schema(
        operation_id="position_close",
        parameters=[
            SYMBOL_OR_ID,
            OpenApiParameter("qty", OpenApiTypes.DECIMAL, description="How much to close; all of it when not given."),
            OpenApiParameter("percentage", OpenApiTypes.DECIMAL, description="How much of it to close, instead."),
            IDEMPOTENCY_KEY,
        ],
        responses={200: OrderDocument, **problems(403, 404, 422)},
    )
    def delete(self, request: Request, symbol_or_id: str) -> HttpResponseBase:
        """Place a market order that closes a position, or a part of it, and return that order."""
        return async_to_sync(position_close)(request, symbol_or_id=symbol_or_id)
