"""Work an order over time: how much of it should be on its way at an instant (TWAP), or by the day's volume (VWAP)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from trading_portal.kernel.money import ZERO

SLICES = 20
SHORTEST = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the order, due at an instant."""

    due_at: datetime
    quantity: Decimal


def steps_of(
    *,
    quantity: Decimal,
    lot: Decimal,
    starts_at: datetime,
    ends_at: datetime,
    slices: int | None = None,
    volumes: Sequence[Decimal] = (),
) -> list[Step]:
    """Cut a quantity into steps of whole lots, the first due at the start; together they are the quantity.

    Without `volumes` every step is as large as the others (TWAP). `volumes` is the volume that is usual in equal parts
    of the time, first to last: steps follow it (VWAP). What rounding leaves comes with the steps in which it adds up to
    a lot. There are never more steps than lots, nor closer together than a second.
    """
    lots = int((quantity / lot).to_integral_value(ROUND_DOWN))
    count = max(1, min(slices or SLICES, lots, int((ends_at - starts_at) / SHORTEST)))
    shares = _shares(count, volumes)
    steps: list[Step] = []
    given, reached = ZERO, ZERO
    for number, share in enumerate(shares):
        reached += share
        upto = quantity if number == count - 1 else (quantity * reached / lot).to_integral_value(ROUND_DOWN) * lot
        if upto > given:
            steps.append(Step(starts_at + (ends_at - starts_at) * number / count, upto - given))
            given = upto
    return steps


def due_quantity(steps: Sequence[Step], at: datetime) -> Decimal:
    """Return how much should have been sent by an instant: after a pause, what was missed is due at once."""
    return sum((step.quantity for step in steps if step.due_at <= at), ZERO)


def next_due_at(steps: Sequence[Step], at: datetime) -> datetime | None:
    """Return when more is due after an instant; None when everything is."""
    return min((step.due_at for step in steps if step.due_at > at), default=None)


def _shares(count: int, volumes: Sequence[Decimal]) -> list[Decimal]:
    """Return each step's share of the whole: equal, or as much of the volume as falls into its part of the time."""
    total = sum(volumes, ZERO)
    if not total:
        return [Decimal(1) / count] * count
    parts = len(volumes)
    shares: list[Decimal] = []
    for number in range(count):
        first, last = Decimal(number * parts) / count, Decimal((number + 1) * parts) / count
        covered = sum(
            (
                volume * max(ZERO, min(last, Decimal(index + 1)) - max(first, Decimal(index)))
                for index, volume in enumerate(volumes)
            ),
            ZERO,
        )
        shares.append(covered / total)
    return shares
