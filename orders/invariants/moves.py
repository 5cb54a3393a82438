"""Replay what the log tells of orders through the lifecycle table."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import connection

from orders.domain.order import EventKind, OrderEvent, OrderState
from orders.domain.states import InvalidTransition, apply
from orders.domain.types import BaseState, PendingOperation, TimeInForce
from trading_portal.kernel.money import ZERO

_KINDS: Mapping[str, tuple[EventKind, ...]] = {
    "order.activated": (EventKind.ACTIVATED,),
    "order.routed": (EventKind.ROUTED,),
    "order.dropped": (EventKind.DROPPED,),
    "order.cancel_requested": (EventKind.CANCEL_REQUESTED,),
    "order.replace_requested": (EventKind.REPLACE_REQUESTED,),
    "order.acknowledged": (EventKind.ACKNOWLEDGED,),
    "order.executed": (EventKind.TRADED,),
    "order.busted": (EventKind.BUSTED,),
    "order.corrected": (EventKind.CORRECTED,),
    "order.canceled": (EventKind.CANCELED, EventKind.CANCEL_REQUESTED, EventKind.NEVER_HEARD),
    "order.cancel_rejected": (EventKind.CANCEL_REJECTED,),
    "order.replaced": (EventKind.REPLACED,),
    "order.replace_rejected": (EventKind.REPLACE_REJECTED,),
    "order.rejected": (EventKind.REJECTED, EventKind.NEVER_HEARD),
    "order.expired": (EventKind.EXPIRED, EventKind.LAPSED),
    "order.suspended": (EventKind.SUSPENDED,),
    "order.stopped": (EventKind.STOPPED,),
    "order.done_for_day": (EventKind.DONE_FOR_DAY,),
    "order.calculated": (EventKind.CALCULATED,),
    "order.route_decided": (EventKind.STATUS,),
    "order.restated": (EventKind.RELEASED, EventKind.RENEWED, EventKind.SPLIT),
    "order.unknown": (EventKind.TIMED_OUT,),
}
_BEGINS: Mapping[str, tuple[BaseState, ...]] = {
    "order.accepted": (BaseState.ACCEPTED, BaseState.HELD),
    "order.refused": (BaseState.REJECTED,),
}

_Told = tuple[UUID, int, str, dict[str, Any]]


def _events_by_order(accounts: Collection[UUID]) -> Iterator[tuple[str, list[_Told]]]:
    chosen = "AND account_id = ANY(%s)" if accounts else ""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT stream, account_id, sequence, type, payload::text FROM audit_event "
            f"WHERE starts_with(stream, 'order:') {chosen} ORDER BY stream, sequence",
            [list(accounts)] if accounts else None,
        )
        for stream, rows in groupby(iter(cursor.fetchone, None), key=lambda row: row[0]):
            yield stream.removeprefix("order:"), [(row[1], row[2], row[3], json.loads(row[4])) for row in rows]


def _first_state(payload: Mapping[str, Any]) -> OrderState:
    return OrderState(
        base=BaseState(payload["base"]),
        pending=PendingOperation(payload["pending"]),
        is_unknown=payload["is_unknown"],
        time_in_force=TimeInForce(payload["time_in_force"]),
        quantity=Decimal(payload["quantity"]),
        filled_quantity=ZERO,
        filled_value=ZERO,
    )


def _is_told(state: OrderState, payload: Mapping[str, Any]) -> bool:
    """Tell whether a state is the one an event says the order was left in."""
    return (
        state.base == payload["base"]
        and state.pending == payload["pending"]
        and state.is_unknown == payload["is_unknown"]
        and state.quantity == Decimal(payload["quantity"])
        and state.filled_quantity == Decimal(payload["filled_quantity"])
    )


def _move(kind: EventKind, payload: Mapping[str, Any]) -> OrderEvent:
    is_fill = kind in (EventKind.TRADED, EventKind.CORRECTED, EventKind.BUSTED)
    becomes = payload["becomes"] if kind in (EventKind.REPLACE_REQUESTED, EventKind.REPLACED) else {}
    quantity = payload["fill_quantity"] if is_fill else becomes.get("quantity", payload["quantity"])
    return OrderEvent(
        kind=kind,
        quantity=Decimal(quantity),
        price=Decimal(payload.get("fill_price", 0)),
        was_quantity=Decimal(payload.get("was_quantity", 0)),
        was_price=Decimal(payload.get("was_price", 0)),
        ratio=Decimal(payload.get("ratio") or 1),
        time_in_force=TimeInForce(becomes["time_in_force"]) if kind is EventKind.REPLACED else None,
    )


def _moved(state: OrderState, event_type: str, payload: Mapping[str, Any]) -> OrderState | None:
    """Return the state that one of the table's moves of this event leads to, None when none leads there."""
    if event_type in ("order.anomaly", "order.replace_refused"):
        return state if _is_told(state, payload) else None
    for kind in _KINDS.get(event_type, ()):
        try:
            after = apply(state, _move(kind, payload))
        except InvalidTransition:
            continue
        if _is_told(after, payload):
            return after
    return None


def moves_outside_the_table(accounts: Collection[UUID] = ()) -> Iterator[tuple[object, ...]]:
    """Replay every order's events through the table; yield the first event of an order that no move explains."""
    for order_id, events in _events_by_order(accounts):
        try:
            found = _first_unexplained(events)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            found = ("unreadable", repr(error))
        if found:
            yield events[0][0], order_id, *found


def _first_unexplained(events: Sequence[_Told]) -> tuple[object, ...] | None:
    _, first, event_type, payload = events[0]
    if payload["base"] not in _BEGINS.get(event_type, ()):
        return first, event_type, payload["base"]
    state = _first_state(payload)
    for _, sequence, kind, facts in events[1:]:
        after = _moved(state, kind, facts)
        if after is None:
            return sequence, kind, state.base.value, facts["base"]
        state = after
    return None
