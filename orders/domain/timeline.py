"""Word an order's events for people: a title, who, and the facts worth a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from audit.domain.types import Actor, EventRecord
from orders.domain.reasons import sentence

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
    "order.restated": "Restated by the venue",
    "order.busted": "Fill taken back",
    "order.corrected": "Fill corrected",
}
# What a person reads of each event, in this order: (payload field, words before it).
_FACTS: tuple[tuple[str, str], ...] = (
    ("notional", "amount"),
    ("stop_price", "stop"),
    ("trail_price", "trail"),
    ("trail_percent", "trail in percent"),
    ("fill_quantity", "quantity"),
    ("fill_price", "price"),
    ("fee", "fee"),
    ("realised_pnl", "realised P&L"),
    ("position_quantity", "position after"),
    ("cash", "cash after"),
    ("worst_price", "reserved at"),
    ("reserved_quantity", "still reserved"),
    ("attempt", "attempt"),
    ("waited_seconds", "seconds waited"),
    ("exec_id", "venue's id"),
    ("text", "venue says"),
)


def timeline(events: Sequence[EventRecord], *, reader_id: UUID) -> list[dict[str, object]]:
    """Return an order's events as its timeline shows them; latency is since the event before, in milliseconds."""
    lines = []
    before: datetime | None = None
    for event in events:
        lines.append(
            {
                "id": str(event.id),
                "sequence": event.sequence,
                "type": event.type,
                "title": title(event.type, event.payload),
                "actor": actor_words(event.actor, reader_id),
                "status": event.payload.get("status"),
                "valid_at": event.valid_at.isoformat(),
                "recorded_at": event.recorded_at.isoformat(),
                "latency_ms": None if before is None else _milliseconds(before, event.recorded_at),
                "correlation_id": str(event.correlation_id),
                "facts": facts(event.payload),
            }
        )
        before = event.recorded_at
    return lines


def title(event_type: str, payload: Mapping[str, Any]) -> str:
    """Return what happened, in words."""
    if event_type == "order.executed" and payload.get("leaves_quantity") not in ("0", None):
        return "Partially filled"
    if event_type == "order.accepted" and payload.get("base") == "held":
        return "Held until the order that it closes is filled"
    return _TITLES.get(event_type, event_type)


def facts(payload: Mapping[str, Any]) -> dict[str, str]:
    """Return the facts worth a line, in words; reasons as sentences."""
    shown = {words: str(payload[name]) for name, words in _FACTS if payload.get(name) not in (None, "", "0")}
    shown |= _changes(payload.get("was") or {}, payload.get("becomes") or {})
    reasons = payload.get("reasons") or ([payload["reason"]] if payload.get("reason") else [])
    if reasons:
        shown["because"] = " ".join(sentence(why["code"], why.get("facts", {})) for why in reasons)
    return shown


def _changes(was: Mapping[str, str], becomes: Mapping[str, str]) -> dict[str, str]:
    """Return what a replace changes, term by term."""
    names = dict.fromkeys((*was, *becomes))
    return {
        name.replace("_", " "): f"{was.get(name, 'none')} → {becomes.get(name, 'none')}"
        for name in names
        if was.get(name) != becomes.get(name)
    }


def actor_words(actor: str, reader_id: UUID) -> str:
    """Return who did it, as the reader would say."""
    who = Actor.parse(actor)
    if who.kind == "user":
        return "you" if who.id == str(reader_id) else "another person"
    return {"api_key": f"API key {who.id}", "venue": f"venue {who.id}", "system": "portal"}.get(who.kind, actor)


def _milliseconds(since: datetime, until: datetime) -> int:
    return round((until - since).total_seconds() * 1000)
