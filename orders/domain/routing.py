"""Share an order out over venues: rank what they display by what it really costs, and take the best first.

Pure: quotes, fees, delays and health come in; the decision that goes out says everything it looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal

import msgspec

from positions.domain.types import Side
from trading_portal.kernel.money import ZERO


class VenueView(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one venue at an instant: what it displays to take (best first), what it charges, how it is.

    `latency` is the seconds its acknowledgements took lately. A suspect venue was slow or failed lately; one that is
    broken is not sent anything.
    """

    venue: str
    levels: tuple[tuple[Decimal, Decimal], ...] = ()
    fee_rate: Decimal = ZERO
    fee_per_unit: Decimal = ZERO
    latency: float = 0.0
    is_suspect: bool = False
    is_broken: bool = False

    def cost(self, side: Side, price: Decimal) -> Decimal:
        """Return what a unit costs at this price with the venue's fee: low is good, also for who sells."""
        return side.sign * price + price * self.fee_rate + self.fee_per_unit


class Slice(msgspec.Struct, frozen=True):
    """How much goes to one venue."""

    venue: str
    quantity: Decimal


class RouteDecision(msgspec.Struct, frozen=True, kw_only=True):
    """Where an order goes, and the views it was decided on; no slice means that no venue would take it."""

    slices: tuple[Slice, ...]
    views: tuple[VenueView, ...]
    unplaced: Decimal = ZERO


def route(
    *,
    side: Side,
    quantity: Decimal,
    limit_price: Decimal | None,
    lot: Decimal,
    views: Sequence[VenueView],
    is_resting: bool,
) -> RouteDecision:
    """Share a quantity out: displayed levels by cost, the trusted venues' first; what is left rests at the best venue.

    Without `is_resting` (an order that may only take) nothing is sent beyond what is displayed within the limit, and
    what finds no place is `unplaced`.
    """
    usable = [view for view in views if not view.is_broken]
    taken: dict[str, Decimal] = {}
    left = quantity
    for view, _, size in _levels(side, limit_price, usable):
        if not left:
            break
        part = min(left, _whole(size, lot))
        if part:
            taken[view.venue] = taken.get(view.venue, ZERO) + part
            left -= part
    if left and usable and is_resting:
        home = min(usable, key=lambda view: _rank(side, view)).venue
        taken[home] = taken.get(home, ZERO) + left
        left = ZERO
    return RouteDecision(
        slices=tuple(Slice(venue, part) for venue, part in taken.items()), views=tuple(views), unplaced=left
    )


def displayed(*, side: Side, limit_price: Decimal | None, lot: Decimal, views: Sequence[VenueView]) -> Decimal:
    """Return how much could be taken at once within a limit: what an order that must fill whole asks for."""
    usable = [view for view in views if not view.is_broken]
    return sum((_whole(size, lot) for _, _, size in _levels(side, limit_price, usable)), ZERO)


def _levels(
    side: Side, limit_price: Decimal | None, views: Sequence[VenueView]
) -> list[tuple[VenueView, Decimal, Decimal]]:
    found = [
        (view, price, size)
        for view in views
        for price, size in view.levels
        if size > 0 and (limit_price is None or side.sign * price <= side.sign * limit_price)
    ]
    return sorted(found, key=lambda each: (each[0].is_suspect, each[0].cost(side, each[1]), each[0].latency))


def _rank(side: Side, view: VenueView) -> tuple[bool, bool, Decimal, float, str]:
    """Return what sorts the venue first where an order should wait: trusted, quoted, cheap, quick."""
    best = view.cost(side, view.levels[0][0]) if view.levels else ZERO
    return view.is_suspect, not view.levels, best, view.latency, view.venue


def _whole(size: Decimal, lot: Decimal) -> Decimal:
    return (size / lot).to_integral_value(ROUND_DOWN) * lot
