"""Fold fills into a holding, at average cost."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from positions.domain.days import day_of
from positions.domain.errors import Unbookable
from positions.domain.types import FillFact
from trading_portal.kernel.money import STORED_LIMIT, ZERO, divide, multiply, stored


class HoldingState(msgspec.Struct, frozen=True):
    """A net quantity (negative is short) and what it cost.

    `cost` is the exact money the open quantity cost (short: brought in), so that
    realised + (market value - cost) equals the money that went in and out, to the last digit;
    `average_cost` is that per unit, rounded. `opening_quantity` was held when `day` began;
    `day_flow` is the money that day's fills brought in (negative: cost), fees apart.
    """

    day: date
    opened_at: datetime
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    average_cost: Decimal = ZERO
    realised_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    opening_quantity: Decimal = ZERO
    day_flow: Decimal = ZERO


def fill_value(fill: FillFact) -> Decimal:
    """Return quantity x price, rounded once as booked; raise Unbookable when no column can hold it."""
    if not (fill.quantity.is_finite() and fill.price.is_finite() and fill.fee.is_finite()):
        raise Unbookable(fill.execution_id, "not a finite number")
    if fill.quantity <= 0 or fill.price <= 0:
        raise Unbookable(fill.execution_id, "quantity and price must be above zero")
    value = multiply(fill.quantity, fill.price)
    if max(value, fill.quantity, fill.price, abs(fill.fee)) >= STORED_LIMIT:
        raise Unbookable(fill.execution_id, "the amount is too large")
    return stored(value)


def day_roll(holding: HoldingState, *, day: date) -> HoldingState:
    """Return the holding as it stands on a day: the first look on a later day opens that day."""
    if day <= holding.day:
        return holding
    return replace(holding, day=day, opening_quantity=holding.quantity, day_flow=ZERO)


def fill_apply(holding: HoldingState, fill: FillFact, *, day: date) -> tuple[HoldingState, Decimal]:
    """Return the holding after a fill booked on a day, and what the fill realised (before fees).

    A fill against the holding closes first, realising on the closed part; what is left of it opens at its own price.
    Raise Unbookable when no column could hold what comes of it.
    """
    after, realised = _apply(holding, fill, day)
    if max(abs(after.quantity), after.cost, abs(after.realised_pnl), abs(after.fees), abs(after.day_flow)) >= (
        STORED_LIMIT
    ):
        raise Unbookable(fill.execution_id, "the holding would be too large")
    return after, realised


def fills_folded(live: Iterable[FillFact], *, at: datetime) -> HoldingState:
    """Return the holding that fills make from nothing, in their order, as it stands on the day of `at`.

    The day of a fill is its execution's, for the sum of a past day.
    """
    folded: HoldingState | None = None
    for fill in live:
        day = day_of(fill.executed_at)
        folded, _ = fill_apply(folded or HoldingState(day=day, opened_at=fill.executed_at), fill, day=day)
    today = day_of(at)
    return day_roll(folded or HoldingState(day=today, opened_at=at), day=today)


def _apply(holding: HoldingState, fill: FillFact, day: date) -> tuple[HoldingState, Decimal]:
    before = day_roll(holding, day=day)
    value = fill_value(fill)
    change = fill.quantity * fill.side.sign
    after = before.quantity + change
    booked = replace(
        before,
        quantity=after,
        fees=before.fees + fill.fee,
        day_flow=before.day_flow - value * fill.side.sign,
    )
    if before.quantity == 0:
        return replace(booked, cost=value, average_cost=stored(fill.price), opened_at=fill.executed_at), ZERO
    if (before.quantity > 0) == (change > 0):
        cost = before.cost + value
        return replace(booked, cost=cost, average_cost=stored(divide(cost, abs(after)))), ZERO
    return _close(before, booked, fill, value)


def _close(before: HoldingState, booked: HoldingState, fill: FillFact, value: Decimal) -> tuple[HoldingState, Decimal]:
    held = abs(before.quantity)
    closed = min(held, fill.quantity)
    closed_value = value if closed == fill.quantity else stored(multiply(closed, fill.price))
    closed_cost = before.cost if closed == held else stored(divide(multiply(before.cost, closed), held))
    # A sale realises proceeds less cost; buying back a short realises what it brought in less what it now costs.
    realised = (closed_value - closed_cost) * -fill.side.sign
    booked = replace(booked, realised_pnl=before.realised_pnl + realised)
    if fill.quantity < held:
        return replace(booked, cost=before.cost - closed_cost), realised
    if fill.quantity == held:
        return replace(booked, cost=ZERO, average_cost=ZERO), realised
    crossed = replace(booked, cost=value - closed_value, average_cost=stored(fill.price), opened_at=fill.executed_at)
    return crossed, realised
