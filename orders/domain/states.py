"""The lifecycle of an order: one table of moves, numbered as in the specification, and what applies it.

Base state, pending operation and fills are kept apart. A move that is not in the table raises InvalidTransition.
Sources: FIX 4.4 volume 4, appendix D; rows or parts of rows marked *policy* are this project's own choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from msgspec.structs import replace

from orders.domain.order import OPEN, EventKind, OrderEvent, OrderState
from orders.domain.ratios import units_after
from orders.domain.types import BaseState, PendingOperation, TimeInForce
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.money import ZERO, multiply


class InvalidTransition(Exception):
    """Say that the table has no such move."""

    def __init__(self, state: OrderState, event: OrderEvent) -> None:
        status = status_of(state.base, state.pending, is_unknown=False)
        super().__init__(f"{event.kind} is not allowed while {status} (base {state.base})")
        self.reason: Reason = reason("MOVE_NOT_ALLOWED", event=event.kind.value, status=status, base=state.base.value)


class _To(StrEnum):
    """Targets that follow from the order itself."""

    SAME = "same"
    BY_FILLS = "by fills"
    GONE = "gone"


class _Overlay(StrEnum):
    """What a move does to the pending operation."""

    KEEP = "keep"
    DROP = "drop"
    DROP_UNLESS_GTC = "drop unless gtc"
    CANCEL = "cancel"
    REPLACE = "replace"


Guard = Callable[[OrderState, OrderEvent], bool]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: from any of `bases` under any of `overlays`, `event` leads to `to`."""

    number: str
    bases: tuple[BaseState, ...]
    overlays: tuple[PendingOperation, ...]
    event: EventKind
    to: BaseState | _To
    then: _Overlay = _Overlay.KEEP
    guard: Guard | None = None


_A, _H, _PN, _N, _PF = (
    BaseState.ACCEPTED,
    BaseState.HELD,
    BaseState.PENDING_NEW,
    BaseState.NEW,
    BaseState.PARTIALLY_FILLED,
)
_ST, _SU, _DD, _CA, _F = (
    BaseState.STOPPED,
    BaseState.SUSPENDED,
    BaseState.DONE_FOR_DAY,
    BaseState.CALCULATED,
    BaseState.FILLED,
)
_C, _E, _R = BaseState.CANCELED, BaseState.EXPIRED, BaseState.REJECTED
_NONE = (PendingOperation.NONE,)
_CANCEL = (PendingOperation.CANCEL,)
_REPLACE = (PendingOperation.REPLACE,)
_ASKED = (*_CANCEL, *_REPLACE)
_ANY = (*_NONE, *_ASKED)
_K, _SAME, _BY_FILLS, _DROP = EventKind, _To.SAME, _To.BY_FILLS, _Overlay.DROP


def _is_unfilled(state: OrderState, event: OrderEvent) -> bool:
    return state.filled_quantity == 0


def _is_gtc(state: OrderState, event: OrderEvent) -> bool:
    return state.time_in_force is TimeInForce.GTC


def _asks_for_more(state: OrderState, event: OrderEvent) -> bool:
    return event.quantity > state.filled_quantity


def _is_unknown(state: OrderState, event: OrderEvent) -> bool:
    return state.is_unknown


def _has_that_fill(state: OrderState, event: OrderEvent) -> bool:
    return ZERO < event.was_quantity <= state.filled_quantity


ROWS: tuple[Row, ...] = (
    Row("4 policy", (_H,), _NONE, _K.ACTIVATED, _A),  # the entry is filled: routed next, like any accepted order
    Row("4", (_A, _H), _NONE, _K.ROUTED, _PN),
    Row("5", (_A, _H), _NONE, _K.CANCEL_REQUESTED, _C),
    Row("6", (_PN,), (*_NONE, *_CANCEL), _K.ACKNOWLEDGED, _N),
    Row("6 policy", (_PF, _F), _ANY, _K.ACKNOWLEDGED, _SAME),  # row 8's fill overtook this acknowledgement
    Row("6 policy", (_C, _E), _NONE, _K.ACKNOWLEDGED, _SAME),  # row 48's end overtook it
    Row("7", (_PN,), (*_NONE, *_CANCEL), _K.REJECTED, _R, _DROP, _is_unfilled),
    Row("7", (_N,), _ANY, _K.REJECTED, _R, _DROP, _is_unfilled),
    Row("8", (_PN,), (*_NONE, *_CANCEL), _K.TRADED, _BY_FILLS),
    Row("9 20 27", (_N, _PF, _ST), _ANY, _K.TRADED, _BY_FILLS),
    Row("9 policy", (_F,), _ANY, _K.TRADED, _SAME),  # an over-fill: booked, and an anomaly names it
    Row("10", (_N, _PF), _ANY, _K.STOPPED, _ST),
    Row("11 49", (_N, _PF), _ANY, _K.SUSPENDED, _SU),
    Row("12", (_SU,), _ANY, _K.RELEASED, _BY_FILLS),
    Row("13 policy", (_SU,), _ANY, _K.TRADED, _SAME),  # matched before the halt reached the book
    Row("14 49", (_N, _PF), _ANY, _K.DONE_FOR_DAY, _DD, _Overlay.DROP_UNLESS_GTC),
    Row("15", (_DD,), _ANY, _K.RENEWED, _BY_FILLS, guard=_is_gtc),
    Row("16", (_F, _DD), _ANY, _K.CALCULATED, _CA),
    Row("17 23 48 49", (_PN,), (*_NONE, *_CANCEL), _K.EXPIRED, _E, _DROP),
    Row("17 23 49", (_N, _PF, _ST, _SU), _ANY, _K.EXPIRED, _E, _DROP),
    Row("23 49", (_DD,), _ASKED, _K.EXPIRED, _E, _DROP),
    Row("18 21 48", (_PN,), (*_NONE, *_CANCEL), _K.CANCELED, _C, _DROP),
    Row("18 21 34", (_N, _PF, _ST, _SU), _ANY, _K.CANCELED, _C, _DROP),
    Row("21 34", (_DD,), _ASKED, _K.CANCELED, _C, _DROP),
    Row("19 47", OPEN, _NONE, _K.CANCEL_REQUESTED, _SAME, _Overlay.CANCEL),
    Row("22", (*OPEN, _DD, _F, _CA), _CANCEL, _K.CANCEL_REJECTED, _SAME, _DROP),
    Row("22 policy", (_C, _E, _R, _DD), _NONE, _K.CANCEL_REJECTED, _SAME),  # the order's end overtook this answer
    Row("26", (_N, _PF, _ST), _NONE, _K.REPLACE_REQUESTED, _SAME, _Overlay.REPLACE),
    Row("28", (_N, _PF, _ST, _SU, _DD, _F), _REPLACE, _K.REPLACED, _BY_FILLS, _DROP),
    Row("29 30", (_N, _PF, _ST, _SU, _DD, _F, _CA), _REPLACE, _K.REPLACE_REJECTED, _SAME, _DROP),
    Row("34 policy", (_C, _E, _R, _DD), _NONE, _K.REPLACE_REJECTED, _SAME),  # the order's end overtook this answer
    Row("33", (_F,), _NONE, _K.REPLACE_REQUESTED, _SAME, _Overlay.REPLACE, _asks_for_more),
    Row("36", (_F, _PF, _DD), _ANY, _K.BUSTED, _BY_FILLS, guard=_has_that_fill),
    Row("36 policy", (_ST, _SU, _CA), _ANY, _K.BUSTED, _SAME, guard=_has_that_fill),  # money moved: book it, stay
    Row("37", (_C, _E), _NONE, _K.BUSTED, _SAME, guard=_has_that_fill),
    Row("38", (_C,), _NONE, _K.TRADED, _SAME),  # crossed our cancel on the wire
    Row("38 policy", (_E,), _NONE, _K.TRADED, _SAME),  # crossed the expiry on the wire
    Row("39", (_F, _PF), _ANY, _K.CORRECTED, _BY_FILLS, guard=_has_that_fill),
    Row("39", (_ST, _SU, _DD, _CA), _ANY, _K.CORRECTED, _SAME, guard=_has_that_fill),
    Row("39", (_C, _E), _NONE, _K.CORRECTED, _SAME, guard=_has_that_fill),
    Row("41", (_PN,), (*_NONE, *_CANCEL), _K.SPLIT, _SAME, guard=_is_gtc),
    Row("41", (_N, _PF, _ST, _SU, _DD), _ANY, _K.SPLIT, _SAME, guard=_is_gtc),
    Row("41 policy", (_H,), _NONE, _K.SPLIT, _SAME, guard=_is_gtc),  # a leg is restated with the entry it waits for
    Row("42", tuple(BaseState), _ANY, _K.STATUS, _SAME),
    Row("43", (_PN,), (*_NONE, *_CANCEL), _K.TIMED_OUT, _SAME),
    Row("43", (_N, _PF, _ST, _SU, _DD, _F, _CA), _ASKED, _K.TIMED_OUT, _SAME),
    Row("45", (_PN,), (*_NONE, *_CANCEL), _K.NEVER_HEARD, _To.GONE, _DROP, _is_unknown),
    Row("45", (_N, _PF, _ST, _SU, _DD), _ANY, _K.NEVER_HEARD, _To.GONE, _DROP, _is_unknown),
    Row("46", (_A,), _NONE, _K.DROPPED, _R),
    Row("17 policy", (_A, _H), _NONE, _K.LAPSED, _E),  # time in force ended before anything was sent
)

_OURS = frozenset(
    (_K.ACTIVATED, _K.ROUTED, _K.CANCEL_REQUESTED, _K.REPLACE_REQUESTED, _K.DROPPED, _K.LAPSED, _K.TIMED_OUT)
)
_PRECEDENCE: Mapping[str, int] = {
    "pending_cancel": 12,
    "pending_replace": 11,
    "done_for_day": 10,
    "calculated": 9,
    "filled": 8,
    "stopped": 7,
    "suspended": 6,
    "canceled": 5,
    "expired": 5,
    "partially_filled": 4,
}


def _moves() -> Iterator[tuple[tuple[BaseState, PendingOperation, EventKind], Row]]:
    for row in ROWS:
        for base in row.bases:
            for pending in row.overlays:
                yield (base, pending, row.event), row


MOVES: Mapping[tuple[BaseState, PendingOperation, EventKind], Row] = dict(_moves())
if len(MOVES) != len(list(_moves())):
    raise AssertionError("Two rows of the lifecycle table answer the same question.")


def apply(state: OrderState, event: OrderEvent) -> OrderState:
    """Return the order after an event; raise InvalidTransition when the table has no such move."""
    row = MOVES.get((state.base, state.pending, event.kind))
    if row is None or (row.guard is not None and not row.guard(state, event)):
        raise InvalidTransition(state, event)
    moved = _booked(state, event)
    return replace(
        moved,
        base=_base(row.to, moved),
        pending=_pending(row.then, moved),
        is_unknown=_still_unknown(moved, event),
    )


def status_of(base: BaseState, pending: PendingOperation, is_unknown: bool) -> str:
    """Return the status a person sees: of base and pending the one that goes first, or `unknown`."""
    if is_unknown:
        return "unknown"
    asked = "" if pending is PendingOperation.NONE else f"pending_{pending.value}"
    return asked if _PRECEDENCE.get(asked, 0) > _PRECEDENCE.get(base.value, 2) else base.value


def anomalies(before: OrderState, event: OrderEvent, after: OrderState) -> list[Reason]:
    """Return what is odd about a move that was allowed all the same."""
    if event.kind not in (_K.TRADED, _K.CORRECTED):
        return []
    found: list[Reason] = []
    if after.filled_quantity > after.quantity and after.filled_quantity > before.filled_quantity:
        found.append(reason("OVER_FILL", excess=after.filled_quantity - after.quantity, quantity=after.quantity))
    if event.kind is _K.TRADED and before.base in (_C, _E):
        found.append(reason("LATE_FILL", status=before.base.value))
    if event.kind is _K.TRADED and before.base is _SU:
        found.append(reason("FILL_WHILE_SUSPENDED"))
    return found


def _booked(state: OrderState, event: OrderEvent) -> OrderState:
    """Return the state with its quantities as the event leaves them."""
    if event.kind in (_K.TRADED, _K.BUSTED, _K.CORRECTED):
        gone = _worth(event.was_value, event.was_quantity, event.was_price)
        come = _worth(event.value, event.quantity, event.price) if event.kind is not _K.BUSTED else ZERO
        quantity = event.quantity if event.kind is not _K.BUSTED else ZERO
        return replace(
            state,
            filled_quantity=state.filled_quantity - event.was_quantity + quantity,
            filled_value=state.filled_value - gone + come,
        )
    if event.kind is _K.ACTIVATED and event.quantity:
        return replace(state, quantity=event.quantity)
    if event.kind is _K.REPLACED:
        quantity = max(event.quantity, state.filled_quantity)
        return replace(state, quantity=quantity, time_in_force=event.time_in_force or state.time_in_force)
    if event.kind is _K.SPLIT:
        return replace(
            state,
            quantity=event.quantity or units_after(state.quantity, event.ratio),
            filled_quantity=units_after(state.filled_quantity, event.ratio),
        )
    return state


def _worth(value: Decimal | None, quantity: Decimal, price: Decimal) -> Decimal:
    return multiply(quantity, price) if value is None else value


def _base(to: BaseState | _To, state: OrderState) -> BaseState:
    """Return the base a row leads to; a target by fills is judged on the quantities after the event."""
    if isinstance(to, BaseState):
        return to
    if to is _To.SAME:
        return state.base
    if to is _To.GONE:
        return _C if state.filled_quantity else _R
    if state.filled_quantity >= state.quantity:
        return _F
    return _PF if state.filled_quantity else _N


def _pending(then: _Overlay, state: OrderState) -> PendingOperation:
    if then is _Overlay.CANCEL:
        return PendingOperation.CANCEL
    if then is _Overlay.REPLACE:
        return PendingOperation.REPLACE
    drops = then is _DROP or (then is _Overlay.DROP_UNLESS_GTC and state.time_in_force is not TimeInForce.GTC)
    return PendingOperation.NONE if drops else state.pending


def _still_unknown(state: OrderState, event: OrderEvent) -> bool:
    """Return the flag: a time-out sets it, any authoritative report clears it (rows 43 and 44)."""
    if event.kind is _K.TIMED_OUT:
        return True
    return state.is_unknown and (event.kind in _OURS or event.kind is _K.STATUS)
