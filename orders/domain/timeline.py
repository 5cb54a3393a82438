"""Word an order's events for people: a title, a sentence, who, and the facts worth a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from audit.domain.types import Actor, EventRecord
from orders.domain.telling import child_venue, event_sentence

_TITLES = {
    "order.accepted": "Accepted: stored and risk-checked",
    "order.refused": "Refused by risk",
    "order.activated": "Activated: the order that it closes is filled",
    "order.routed": "Sent to the venue",
    "order.dropped": "Stopped before it was sent",
    "order.acknowledged": "Working at the venue",
    "order.executed": "Filled",
    "order.cancel_requested": "Cancel requested",
    "order.canceled": "Cancelled",
    "order.cancel_rejected": "Cancel rejected by the venue",
    "order.replace_requested": "Change requested",
    "order.replace_refused": "Change refused by risk",
    "order.replaced": "Changed",
    "order.replace_rejected": "Change rejected",
    "order.rejected": "Rejected by the venue",
    "order.expired": "Expired",
    "order.unknown": "No answer in time: being confirmed",
    "order.anomaly": "Something odd was reported",
    "order.suspended": "Suspended by the venue",
    "order.stopped": "Price guaranteed by the venue",
    "order.done_for_day": "Done for the day",
    "order.calculated": "Done, being settled",
    "order.route_decided": "Route decided",
    "order.restated": "Restated by the venue",
    "order.busted": "Fill taken back",
    "order.corrected": "Fill corrected",
}
_EXEC_ID = "venue's id"
# What a person reads beside the sentence, in this order: (payload field, words before it).
_FACTS: tuple[tuple[str, str], ...] = (
    ("fee", "fee"),
    ("realised_pnl", "realised P&L"),
    ("position_quantity", "position after"),
    ("cash", "cash after"),
    ("worst_price", "reserved at"),
    ("reserved_quantity", "still reserved"),
    ("exec_id", _EXEC_ID),
)
_NOTHING = (None, "", "0")
_WAITS = timedelta(seconds=1)
# What every event of an order carries, and who reads a timeline sees elsewhere.
_COMMON = frozenset(
    ("order_id", "status", "base", "pending", "is_unknown", "quantity", "filled_quantity", "leaves_quantity",
     "average_price", "version_id", "venue_order_id")
)  # fmt: skip


def timeline(events: Sequence[EventRecord], *, reader_id: UUID) -> list[dict[str, object]]:
    """Return an order's events as its timeline shows them; latency is since the event before, in milliseconds."""
    lines = []
    before: datetime | None = None
    taken = events[0].payload if events else {}
    for event in events:
        payload = event.payload
        lines.append(
            {
                "id": str(event.id),
                "sequence": event.sequence,
                "type": event.type,
                "title": title(event.type, payload),
                "sentence": event_sentence(event.type, payload, taken),
                "actor": actor_words(event.actor, reader_id),
                "status": payload.get("status"),
                "is_unknown": bool(payload.get("is_unknown")),
                "quantity": payload.get("quantity"),
                "filled_quantity": payload.get("filled_quantity"),
                "valid_at": event.valid_at.isoformat(),
                "recorded_at": event.recorded_at.isoformat(),
                "latency_ms": None if before is None else _milliseconds(before, event.recorded_at),
                "correlation_id": str(event.correlation_id),
                "facts": facts(event.type, payload) | _due(event),
                "venues_seen": payload.get("venues_seen") or (),
                "slices": payload.get("slices") or (),
                "fill": _fill(event.type, payload),
            }
        )
        before = event.recorded_at
    return lines


def title(event_type: str, payload: Mapping[str, Any]) -> str:
    """Return what happened, in words; of a kind that is not known here, its own name as words."""
    if event_type == "order.executed" and payload.get("leaves_quantity") not in ("0", None):
        return "Partially filled"
    own = event_type.partition(".")[2].replace("_", " ").capitalize()
    return _TITLES.get(event_type) or own or event_type


def facts(event_type: str, payload: Mapping[str, Any]) -> dict[str, str]:
    """Return the facts worth a line, in words; of a kind that is not known here, all it says of its own."""
    if event_type in _TITLES:
        is_booked = "fill_quantity" in payload
        shown = {words: str(payload[name]) for name, words in _FACTS if payload.get(name) not in _NOTHING}
        return {words: value for words, value in shown.items() if is_booked or words != _EXEC_ID}
    own = {name: value for name, value in payload.items() if name not in _COMMON and value not in _NOTHING}
    return {
        name.replace("_", " "): str(value) for name, value in own.items() if not isinstance(value, list | tuple | dict)
    }


def _fill(event_type: str, payload: Mapping[str, Any]) -> dict[str, object] | None:
    """Return what was traded, and where of a router's venues."""
    if event_type != "order.executed":
        return None
    return {"quantity": payload["fill_quantity"], "price": payload["fill_price"], "venue": child_venue(payload)}


def _due(event: EventRecord) -> dict[str, str]:
    """Return when the venue will be told, where that is not at once."""
    due_at = event.payload.get("due_at")
    waits = bool(due_at) and datetime.fromisoformat(str(due_at)) - event.valid_at > _WAITS
    return {"due at the venue": str(due_at)} if waits else {}


def actor_words(actor: str, reader_id: UUID) -> str:
    """Return who did it, as the reader would say."""
    who = Actor.parse(actor)
    if who.kind == "user":
        return "you" if who.id == str(reader_id) else "another person"
    return {"api_key": f"API key {who.id}", "venue": f"venue {who.id}", "system": "portal"}.get(who.kind, actor)


def _milliseconds(since: datetime, until: datetime) -> int:
    return round((until - since).total_seconds() * 1000)
