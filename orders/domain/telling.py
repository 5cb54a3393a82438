"""Tell each event of an order in a sentence, as one trader would tell another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orders.domain.facts import SMART_VENUE
from orders.domain.reasons import sentence

Payload = Mapping[str, Any]
Teller = Callable[[Payload, Payload], str]
"""Takes an event's payload and the one of the event that took the order, which knows side and symbol."""

_DID = {"buy": "Bought", "sell": "Sold"}
_TIMES = {
    "day": "for the day",
    "gtc": "good till cancelled",
    "ioc": "immediate or cancel",
    "fok": "fill or kill",
    "opg": "at the open",
    "cls": "at the close",
}
_RESTATEMENTS = {
    "release": "Released from its suspension; it works again.",
    "renewal": "Renewed by the venue for the next session.",
}
_ROUTES = {
    "first": "Shared out",
    "step": "Next part shared out",
    "rerouted": "Shared out anew, since a venue was slow or failed",
}


def event_sentence(event_type: str, payload: Payload, taken: Payload) -> str:
    """Return what happened in one sentence, or "" where its title says it all."""
    teller = _TELLERS.get(event_type)
    return teller(payload, taken) if teller else ""


def terms_changed(was: Mapping[str, str], becomes: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return (term in words, before, after) for each term that a replace changes."""
    names = dict.fromkeys((*was, *becomes))
    return [
        (_term(name), _value(name, was.get(name)), _value(name, becomes.get(name)))
        for name in names
        if was.get(name) != becomes.get(name)
    ]


def order_sentence(taken: Payload) -> str:
    """Return what was ordered: side, amount, symbol, prices and how long."""
    amount = (taken.get("notional") and f"for {taken['notional']}") or taken.get("quantity", "")
    said = [f"{str(taken.get('side', '')).capitalize()} {amount} {taken.get('symbol', '')}".strip()]
    kind = taken.get("order_type")
    if taken.get("stop_price"):
        said.append(f"once the price reaches {_price(taken['stop_price'])}")
    if kind == "trailing_stop":
        trail = taken.get("trail_price") or f"{taken.get('trail_percent')} percent"
        said.append(f"once the price turns by {trail}")
    said.append(f"at {_price(taken['limit_price'])} or better" if taken.get("limit_price") else "at the market")
    said.append(_TIMES.get(str(taken.get("time_in_force")), str(taken.get("time_in_force", ""))))
    return ", ".join(part for part in said if part) + "."


def child_venue(payload: Payload) -> str:
    """Return at which of its venues a router traded; "" for what a venue reports of itself."""
    venue, found, _ = str(payload.get("exec_id") or "").partition(":")
    return venue if found and payload.get("venue") == SMART_VENUE else ""


def _accepted(payload: Payload, taken: Payload) -> str:
    held = " Held until the entry fills." if payload.get("base") == "held" else ""
    return f"{order_sentence(payload)}{held}"


def _routed(payload: Payload, taken: Payload) -> str:
    attempt = payload.get("attempt", 1)
    again = "" if attempt in (1, "1", None) else f" again, for the {attempt}. time"
    return f"Sent to {_venue(payload)}{again}."


def _acknowledged(payload: Payload, taken: Payload) -> str:
    venue = _venue(payload)
    if taken.get("order_type") == "trailing_stop":
        return f"Held at {venue}; its stop follows the price."
    if taken.get("stop_price"):
        return f"Held at {venue} until the price reaches {_price(taken['stop_price'])}."
    return f"With {venue}." if payload.get("venue") == SMART_VENUE else f"In the book of {venue}."


def _executed(payload: Payload, taken: Payload) -> str:
    did = _DID.get(str(taken.get("side")), "Traded")
    where = f" on {child_venue(payload)}" if child_venue(payload) else ""
    traded = f"{did} {payload.get('fill_quantity')} at {_price(payload.get('fill_price'))}{where}"
    return f"{traded}; {payload.get('filled_quantity')} of {payload.get('quantity')} filled."


def _ended(payload: Payload, taken: Payload) -> str:
    text = payload.get("text")
    filled = f"{payload.get('filled_quantity', '0')} of {payload.get('quantity', '')} filled."
    return f"{filled} {_said(text)}".strip()


def _change_asked(payload: Payload, taken: Payload) -> str:
    return f"Asked: {_changes(payload)}. The larger of before and after stays reserved until the venue answers."


def _change_refused(payload: Payload, taken: Payload) -> str:
    return f"Asked was {_changes(payload)}; the order stays as it was. {_because(payload)}".strip()


def _changed(payload: Payload, taken: Payload) -> str:
    return f"Now {_changes(payload)}."


def _change_rejected(payload: Payload, taken: Payload) -> str:
    asked = _changes(payload)
    return (
        f"{f'Asked was {asked}; the' if asked else 'The'} order stays as it was. {_said(payload.get('text'))}".strip()
    )


def _cancel_rejected(payload: Payload, taken: Payload) -> str:
    return _said(payload.get("text"))


def _busted(payload: Payload, taken: Payload) -> str:
    was = f"{payload.get('was_quantity')} at {_price(payload.get('was_price'))}"
    return f"The venue took back the fill of {was}; cash and position follow."


def _corrected(payload: Payload, taken: Payload) -> str:
    was = f"{payload.get('was_quantity')} at {_price(payload.get('was_price'))}"
    becomes = f"{payload.get('fill_quantity')} at {_price(payload.get('fill_price'))}"
    return f"The fill of {was} is {becomes} now; cash and position follow."


def _restated(payload: Payload, taken: Payload) -> str:
    told = _RESTATEMENTS.get(str(payload.get("restatement", "")), "")
    if payload.get("restatement") == "split":
        return f"{payload.get('ratio')} new for one old: {_changes(payload)}."
    return told


def _route(payload: Payload, taken: Payload) -> str:
    how = _ROUTES.get(str(payload.get("text", "")), "Shared out")
    slices: Sequence[Mapping[str, str]] = payload.get("slices") or ()
    parts = ", ".join(f"{each.get('quantity')} to {each.get('venue')}" for each in slices)
    return f"{how}: {parts}." if parts else f"{how}: nothing could be placed anywhere now."


def _unknown(payload: Payload, taken: Payload) -> str:
    waited = payload.get("waited_seconds")
    return f"No answer from {_venue(payload)} for {waited} s: it is being asked, and the reservation stays."


def _anomaly(payload: Payload, taken: Payload) -> str:
    parked = " The report is parked for the risk desk." if payload.get("parked_report_id") else ""
    return f"{_because(payload)}{parked}".strip()


def _because(payload: Payload, taken: Payload | None = None) -> str:
    reasons = payload.get("reasons") or ([payload["reason"]] if payload.get("reason") else [])
    return " ".join(sentence(why["code"], why.get("facts", {})) for why in reasons)


def _refused(payload: Payload, taken: Payload) -> str:
    return f"{order_sentence(payload)} {_because(payload)}".strip()


def _changes(payload: Payload) -> str:
    changed = terms_changed(payload.get("was") or {}, payload.get("becomes") or {})
    return ", ".join(f"{name} {before} → {after}" for name, before, after in changed)


def _venue(payload: Payload) -> str:
    venue = payload.get("venue") or "the venue"
    return "the smart router" if venue == SMART_VENUE else str(venue)


def _price(value: object) -> str:
    """Return a price with two decimals at least."""
    whole, _, fraction = str(value).partition(".")
    return f"{whole}.{fraction.ljust(2, '0')}"


def _said(text: object) -> str:
    return f"The venue says: {text}." if text and text != "never sent" else "It was never sent." if text else ""


def _value(name: str, value: str | None) -> str:
    if value is None:
        return "none"
    return _price(value) if name.endswith("price") else value


def _term(name: str) -> str:
    return {"expires_at": "ends at", "trail_price": "trail", "trail_percent": "trail in percent"}.get(
        name, name.replace("_", " ")
    )


_TELLERS: Mapping[str, Teller] = {
    "order.accepted": _accepted,
    "order.refused": _refused,
    "order.activated": _because,
    "order.routed": _routed,
    "order.dropped": _because,
    "order.acknowledged": _acknowledged,
    "order.executed": _executed,
    "order.canceled": _ended,
    "order.expired": _ended,
    "order.done_for_day": _ended,
    "order.rejected": _because,
    "order.cancel_rejected": _cancel_rejected,
    "order.replace_requested": _change_asked,
    "order.replace_refused": _change_refused,
    "order.replaced": _changed,
    "order.replace_rejected": _change_rejected,
    "order.busted": _busted,
    "order.corrected": _corrected,
    "order.restated": _restated,
    "order.route_decided": _route,
    "order.unknown": _unknown,
    "order.anomaly": _anomaly,
}
