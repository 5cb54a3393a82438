"""Tell what happened to an order in the words of Alpaca's trade_updates."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

Facts = Mapping[str, Any]

_EVENTS: Final[Mapping[str, str]] = {
    "order.accepted": "accepted",
    "order.refused": "rejected",
    "order.dropped": "rejected",
    "order.routed": "pending_new",
    "order.acknowledged": "new",
    "order.executed": "fill",
    "order.busted": "trade_bust",
    "order.corrected": "trade_correct",
    "order.cancel_requested": "pending_cancel",
    "order.canceled": "canceled",
    "order.cancel_rejected": "order_cancel_rejected",
    "order.replace_requested": "pending_replace",
    "order.replaced": "replaced",
    "order.replace_rejected": "order_replace_rejected",
    "order.rejected": "rejected",
    "order.expired": "expired",
    "order.suspended": "suspended",
    "order.stopped": "stopped",
    "order.done_for_day": "done_for_day",
    "order.calculated": "calculated",
    "order.restated": "restated",
}
_ENDS: Final[Mapping[str, str]] = {
    "filled_at": "filled",
    "canceled_at": "canceled",
    "expired_at": "expired",
    "failed_at": "rejected",
}


def trade_update(event_type: str, facts: Facts, order: Facts, *, valid_at: object, at: object) -> Facts | None:
    """Return the update that an event of an order makes, None for one that Alpaca has no word for.

    `order` is the order as it stands now; it is told as it stood after this event. What was replaced is told as it
    ended, with the id that it is known by from now on in `replaced_by`.
    """
    event = _EVENTS.get(event_type)
    if event is None:
        return None
    if event == "accepted" and facts["base"] == "held":
        event = "held"
    if event == "fill" and Decimal(facts["filled_quantity"]) < Decimal(facts["quantity"]):
        event = "partial_fill"
    told = order if event == "replaced" else order_after(facts, order, at=at)
    update = {"event": event, "timestamp": valid_at, "at": at, "order": told}
    if "execution_id" in facts:
        update["execution_id"] = facts["execution_id"]
        update["price"] = facts["fill_price"]
        update["qty"] = facts["fill_quantity"]
        update["position_qty"] = facts["position_quantity"]
    if "ref_execution_id" in facts:
        update["previous_execution_id"] = facts["ref_execution_id"]
    return update


def order_after(facts: Facts, order: Facts, *, at: object) -> dict[str, Any]:
    """Return an order's JSON as it stood after an event."""
    ends = {name: order[name] if facts["base"] == base else None for name, base in _ENDS.items() if name in order}
    return {
        **order,
        **ends,
        "replaced_at": None,
        "replaced_by": None,
        "status": facts["status"],
        "qty": facts["quantity"],
        "filled_qty": facts["filled_quantity"],
        "filled_avg_price": facts["average_price"],
        "leaves_qty": facts["leaves_quantity"],
        "outcome": "unknown" if facts["is_unknown"] else "known",
        "updated_at": at,
    }
