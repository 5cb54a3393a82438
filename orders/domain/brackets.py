"""What orders that hang together ask of each other: a bracket, an OCO or an OTO, judged by where its orders stand.

An *entry* opens a position, its *exits* (take-profit and stop-loss) close it; an OCO has exits alone. The rules look at
states and not at what just happened: asking again asks for nothing new, and a sweep may ask as well as a report.
What became of one order decides about the others; a request that is not answered yet decides nothing.
Where Alpaca's rules leave a choice it is marked *policy*.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

from orders.domain.facts import OrderFacts
from orders.domain.order import LIVE, OPEN, OrderState
from orders.domain.types import BaseState, Leg, OrderClass, PendingOperation
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.money import ZERO

ENTRY_ENDED = "ENTRY_ENDED"
EXIT_FILLED = "EXIT_FILLED"
GROUP_CANCELED = "GROUP_CANCELED"
ENTRY_BUSTED = "ENTRY_BUSTED"
EXIT_NOT_COVERED = "EXIT_NOT_COVERED"
OWN_CODES = frozenset((ENTRY_ENDED, EXIT_FILLED, GROUP_CANCELED, ENTRY_BUSTED, EXIT_NOT_COVERED))
"""Why an order of a group ended by the group's own rules: such an end asks nothing more of the others."""

_CANCELABLE = frozenset((BaseState.ACCEPTED, BaseState.HELD, *OPEN))
_REPLACEABLE = frozenset((BaseState.NEW, BaseState.PARTIALLY_FILLED, BaseState.STOPPED))


class StepKind(StrEnum):
    """What one order of a group is to do."""

    ACTIVATE = "activate"
    CANCEL = "cancel"
    REDUCE = "reduce"


class Member(msgspec.Struct, frozen=True):
    """One order of a group as it stands; `is_own_end` says that the group itself had it cancelled."""

    facts: OrderFacts
    state: OrderState
    is_own_end: bool

    @property
    def is_exit(self) -> bool:
        """Tell whether the order closes a position."""
        return is_exit(self.facts)


class Step(msgspec.Struct, frozen=True):
    """One thing to do, why, and for what quantity (of an activation or a reduction the order's whole one)."""

    kind: StepKind
    order: Member
    why: Reason
    quantity: Decimal = ZERO


class Group(msgspec.Struct, frozen=True):
    """A root order and the legs that hang on it."""

    root: Member
    legs: Sequence[Member]

    @property
    def entry(self) -> Member | None:
        """Return the order that opens the position; an OCO has none."""
        return None if self.root.is_exit else self.root

    @property
    def exits(self) -> Sequence[Member]:
        """Return what closes the position, the take-profit first."""
        exits = self.legs if self.entry else (self.root, *self.legs)
        return sorted(exits, key=lambda each: role_of(each.facts) is Leg.STOP_LOSS)

    def exit(self, leg: Leg) -> Member | None:
        """Return one of the exits."""
        return next((each for each in self.exits if role_of(each.facts) is leg), None)

    @property
    def to_exit(self) -> Decimal:
        """Return what there is to close, exits that were filled included.

        As much as the take-profit is for (the one exit of an OTO): when it was activated that was what the entry had
        filled and the account still had, and a split restates it. Less, where the entry's fills were taken back since.
        """
        own = self.exits[0].state.quantity
        return min(own, self.entry.state.filled_quantity) if self.entry and self.is_busted else own

    @property
    def is_busted(self) -> bool:
        """Tell whether the exits work although their entry is no longer filled in full."""
        entry = self.entry
        is_whole = entry is None or entry.state.filled_quantity >= entry.state.quantity
        return not is_whole and self.exits[0].state.base is not BaseState.HELD

    @property
    def exited(self) -> Decimal:
        """Return what the exits have traded."""
        return sum((each.state.filled_quantity for each in self.exits), ZERO)

    @property
    def excess(self) -> Decimal:
        """Return how much more was sold again (or bought back) than there was."""
        return max(self.exited - self.to_exit, ZERO)


def is_exit(order: OrderFacts) -> bool:
    """Tell whether an order closes a position for its group: such orders share one reservation."""
    return order.leg is not Leg.NONE or order.order_class is OrderClass.OCO


def role_of(order: OrderFacts) -> Leg:
    """Return which exit an order is; the first order of an OCO takes the profit."""
    return Leg.TAKE_PROFIT if order.leg is Leg.NONE and order.order_class is OrderClass.OCO else order.leg


def steps(group: Group) -> list[Step]:
    """Return what the group's orders are to do now; what cannot be asked yet is asked once it can."""
    found: dict[object, Step] = {}
    for step in (*_after_entry(group), *_after_cancel(group), *_after_fills(group)):
        if _is_possible(step):
            found.setdefault(step.order.facts.id, step)
    return list(found.values())


def _is_possible(step: Step) -> bool:
    state = step.order.state
    if state.pending is not PendingOperation.NONE:
        return False
    if step.kind is StepKind.REDUCE:
        return state.base in _REPLACEABLE and not state.is_unknown
    return state.base is BaseState.HELD if step.kind is StepKind.ACTIVATE else state.base in _CANCELABLE


def _after_entry(group: Group) -> Iterator[Step]:
    """Activate the exits of an entry that is filled in full; end them with an entry that never will be (*Alpaca*)."""
    entry = group.entry
    if entry is None:
        return
    if entry.state.filled_quantity >= entry.state.quantity:
        if any(_is_canceled_by_others(each) for each in group.exits):
            return
        why = reason("ENTRY_FILLED", order_id=entry.facts.id)
        for each in group.exits:
            yield Step(StepKind.ACTIVATE, each, why, entry.state.filled_quantity)
    elif not _may_still_fill(entry.state):
        why = reason(ENTRY_ENDED, order_id=entry.facts.id, status=entry.state.base.value)
        for each in group.exits:
            if each.state.base is BaseState.HELD:
                yield Step(StepKind.CANCEL, each, why)


def _may_still_fill(state: OrderState) -> bool:
    return state.base in LIVE or state.leaves_quantity > ZERO


def _is_canceled_by_others(exit_: Member) -> bool:
    return exit_.state.base is BaseState.CANCELED and not exit_.is_own_end


def _after_cancel(group: Group) -> Iterator[Step]:
    """Cancel what is left of a group when somebody, or the venue, cancelled one of its exits (*Alpaca*).

    An exit that was rejected or expired leaves its sibling alone: it may be all that protects a position (*policy*).
    """
    gone = next((each for each in group.exits if _is_canceled_by_others(each)), None)
    if gone is None:
        return
    why = reason(GROUP_CANCELED, order_id=gone.facts.id)
    for each in (group.root, *group.legs):
        if each is not gone:
            yield Step(StepKind.CANCEL, each, why)


def _after_fills(group: Group) -> Iterator[Step]:
    """Leave each exit no more than there is to close.

    The take-profit's fills take as much from the stop; a stop that has begun to fill ends the take-profit (*policy*:
    it is leaving at any price, and two exits must not race). Quantities only ever fall.
    """
    profit, stop = group.exit(Leg.TAKE_PROFIT), group.exit(Leg.STOP_LOSS)
    if profit is not None and profit.state.base is not BaseState.HELD:
        taken = stop.state.filled_quantity if stop else ZERO
        yield from _kept_within(group, profit, ZERO if taken else group.to_exit, stop if taken else None)
    taken = profit.state.filled_quantity if profit else ZERO
    if stop is not None and stop.state.base is not BaseState.HELD and (taken or group.is_busted):
        yield from _kept_within(group, stop, group.to_exit - taken, profit if taken else None)


def _kept_within(group: Group, exit_: Member, allowed: Decimal, because: Member | None) -> Iterator[Step]:
    if allowed >= exit_.state.quantity or exit_.state.leaves_quantity == ZERO:
        return
    cause = because or group.root
    why = reason(EXIT_FILLED if because else ENTRY_BUSTED, order_id=cause.facts.id)
    if allowed <= exit_.state.filled_quantity:
        yield Step(StepKind.CANCEL, exit_, why)
    else:
        yield Step(StepKind.REDUCE, exit_, why, allowed)


def own_end(reasons: Sequence[Mapping[str, object]]) -> bool:
    """Tell whether an order's stored reasons say that its group had it cancelled."""
    return any(why.get("code") in OWN_CODES for why in reasons)
