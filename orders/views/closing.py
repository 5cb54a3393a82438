"""What pages ask of everything at once: cancel all orders, close a position, close all. Session, CSRF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_POST

from accounts.api.errors import Problem, ProblemError
from accounts.domain.idempotency import is_usable
from audit.domain.types import Actor
from orders.api.answers import cancel_problem, closable, placement_problem
from orders.api.problems import unreadable
from orders.broadcasts import order_json
from orders.domain.commands import PlaceOrder, place_order
from orders.domain.facts import CancelOutcome, Placement
from orders.services.cancelling import orders_cancel_all
from orders.services.closing import (
    OpenPosition,
    closing_id,
    closing_order,
    closing_quantity,
    orders_clear,
    position_of,
    positions_open,
)
from orders.services.queue import placement_queue
from orders.views.commands import account_traded, answers, body_read, correlation_of
from trading_portal.kernel import clock, money
from trading_portal.kernel.errors import reason

NO_POSITION = Problem(404, "There is no such position any more.")


@require_POST
@answers
def cancel_all(request: HttpRequest) -> HttpResponse:
    """Ask for the cancel of every order of an account, and say of each what became of it."""
    user_id = cast(UUID, request.user.pk)
    account = account_traded(user_id, body_read(request))
    outcomes = orders_cancel_all(
        account_id=account.id, by=Actor.user(user_id), correlation_id=correlation_of(request), at=clock.now()
    )
    return JsonResponse({"orders": [_cancelled(outcome) for outcome in outcomes]}, status=202)


@require_POST
@answers
def close(request: HttpRequest) -> HttpResponse:
    """Close the position in `symbol`, or every one without it; `key` makes it safe to ask again.

    With `cancel_orders` what works on these positions is cancelled first: what orders are going to close cannot be
    closed twice.
    """
    user_id = cast(UUID, request.user.pk)
    body = body_read(request)
    account = account_traded(user_id, body)
    key = _key(body)
    positions = _positions(account.id, body)
    if body.get("cancel_orders") is True:
        only = positions[0].instrument.id if body.get("symbol") else None
        orders_clear(
            account_id=account.id,
            instrument_id=only,
            by=Actor.user(user_id),
            correlation_id=correlation_of(request),
            at=clock.now(),
        )
        positions = _positions(account.id, body)
    commands = tuple(
        place_order(
            closing_order(each, _quantity(each, body), client_order_id=closing_id(key, each.instrument.id)),
            account_id=account.id,
            by=Actor.user(user_id),
            source="web",
            correlation_id=correlation_of(request),
            placed_at=clock.now(),
        )
        for each in positions
    )
    return JsonResponse({"positions": _closed(positions, commands)}, status=202)


def _closed(positions: Sequence[OpenPosition], commands: tuple[PlaceOrder, ...]) -> list[dict[str, object]]:
    placements = placement_queue().place_blocking(commands).placements if commands else ()
    return [_closing(position, placement) for position, placement in zip(positions, placements, strict=True)]


def _positions(account_id: UUID, body: Mapping[str, object]) -> list[OpenPosition]:
    positions = positions_open(account_id)
    symbol = body.get("symbol")
    if not symbol:
        return positions
    position = position_of(positions, str(symbol))
    if position is None:
        raise ProblemError(NO_POSITION)
    return [position]


def _quantity(position: OpenPosition, body: Mapping[str, object]) -> Decimal:
    """Return how much to close: what is asked of one position, else all of it."""
    written = body.get("qty")
    if written is None or not body.get("symbol"):
        return closing_quantity(position, quantity=None, percentage=None)
    wanted = money.parse(written) if isinstance(written, str) else None
    if wanted is None:
        raise ProblemError(unreadable([reason("FIELD_NOT_A_NUMBER", field="qty")]))
    return closable(position, wanted)


def _key(body: Mapping[str, object]) -> str:
    key = body.get("key")
    if not isinstance(key, str) or not is_usable(key):
        raise ProblemError(unreadable([reason("FIELD_REQUIRED", field="key")]))
    return key


def _cancelled(outcome: CancelOutcome) -> dict[str, object]:
    problem = cancel_problem(outcome)
    return {
        "order": order_json(outcome.order) if outcome.order else None,
        "status": outcome.status,
        "message": problem.message if problem else "",
    }


def _closing(position: OpenPosition, placement: Placement) -> dict[str, object]:
    problem = placement_problem(placement)
    return {
        "symbol": position.instrument.symbol,
        "order": order_json(placement.order) if placement.order else None,
        "message": problem.message if problem else "",
    }
