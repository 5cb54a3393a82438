"""Positions, and the orders that close them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from http import HTTPStatus
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.errors import Problem, ProblemError
from accounts.api.openapi import problems
from accounts.api.parameters import Parameters
from accounts.api.rates import orders_request
from accounts.domain.idempotency import is_usable
from accounts.domain.rates import RateRequest
from orders.api.answers import OK, placement_json, placement_problem
from orders.api.documents import ClosingDocument, OrderDocument
from orders.api.views import IDEMPOTENCY_KEY, instruments_named, placed_now
from orders.domain.commands import OrderFields
from orders.domain.facts import Placement
from orders.selectors import order_by_client_order_id
from orders.services.closing import (
    OpenPosition,
    closing_id,
    closing_order,
    closing_quantity,
    orders_clear,
    position_of,
    positions_open,
)
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


class ClosablePositions(Positions):
    """What the account holds, and its end."""

    def budget(self) -> RateRequest | None:
        """Return what a request takes: to close counts as an order."""
        return orders_request(self.grant) if self.request.method == "DELETE" else super().budget()

    @extend_schema(
        operation_id="positions_close",
        parameters=[
            OpenApiParameter("cancel_orders", bool, description="Cancel every open order first, and wait for that."),
            IDEMPOTENCY_KEY,
        ],
        responses={207: ClosingDocument(many=True), **problems(422)},
    )
    def delete(self, request: Request) -> Response:
        """Place a market order to close each position, and say of each what became of it.

        What orders that still work are going to close is not closed twice: such a position is refused.
        """
        given = Parameters(request.query_params)
        is_cancelling = given.flag("cancel_orders")
        given.check()
        if is_cancelling:
            orders_clear(
                account_id=self.grant.account_id, by=self.actor, correlation_id=self.correlation_id, at=clock.now()
            )
        positions = positions_open(self.grant.account_id)
        orders = tuple(
            closing_order(each, abs(each.quantity), client_order_id=_id(request, each)) for each in positions
        )
        placed = placed_now(self, orders, source="api").placements if orders else ()
        answers = [self._answer(request, *pair) for pair in zip(positions, placed, strict=True)]
        return Response(answers, status=HTTPStatus.MULTI_STATUS)

    def _answer(self, request: Request, position: OpenPosition, placement: Placement) -> dict[str, object]:
        problem, order = _problem(position, placement), placement.order
        return {
            "symbol": position.instrument.symbol,
            "order_id": str(order.id) if order else None,
            "status": problem.status if problem else OK,
            "body": problem.body(path=request.path, request_id=self.request_id)
            if problem
            else placement_json(placement),
        }


class ClosablePosition(Position):
    """What the account holds of one instrument, and its end."""

    def budget(self) -> RateRequest | None:
        """Return what a request takes: to close counts as an order."""
        return orders_request(self.grant) if self.request.method == "DELETE" else super().budget()

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
    def delete(self, request: Request, symbol_or_id: str) -> Response:
        """Place a market order that closes a position, or a part of it, and return that order."""
        quantity, percentage = _asked(request)
        if repeated := _repeated(request, self.grant.account_id, symbol_or_id):
            return Response(placement_json(repeated))
        position = position_of(positions_open(self.grant.account_id), symbol_or_id)
        if position is None:
            raise ProblemError(NO_POSITION)
        wanted = closing_quantity(position, quantity=quantity, percentage=percentage)
        if not 0 < wanted <= abs(position.quantity):
            held = plain(abs(position.quantity))
            raise ProblemError(Problem(422, f"{plain(wanted)} cannot be closed: {held} are held."))
        order = closing_order(position, wanted, client_order_id=_id(request, position))
        return Response(self._placed(order, position))

    def _placed(self, order: OrderFields, position: OpenPosition) -> dict[str, object]:
        (placement,) = placed_now(self, (order,), source="api").placements
        if problem := _problem(position, placement):
            raise ProblemError(problem)
        return placement_json(placement)


def _asked(request: Request) -> tuple[Decimal | None, Decimal | None]:
    """Return the quantity or the percentage that a request names; both or neither may be."""
    given = Parameters(request.query_params)
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


def _key(request: Request) -> str | None:
    """Return the key by which a request can be sent again; raise ProblemError for one that is none."""
    key = request.headers.get(IDEMPOTENCY_KEY.name)
    if key is not None and not is_usable(key):
        raise ProblemError(Problem(422, f"{IDEMPOTENCY_KEY.name} must be 1 to 128 visible ASCII characters."))
    return key


def _id(request: Request, position: OpenPosition) -> str | None:
    key = _key(request)
    return None if key is None else closing_id(key, position.instrument.id)


def _repeated(request: Request, account_id: UUID, symbol_or_id: str) -> Placement | None:
    """Return what this request did before, when it says that it may be a repeat: the position may be gone by now."""
    key = _key(request)
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
