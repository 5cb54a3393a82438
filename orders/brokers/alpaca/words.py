"""Say our orders in the words of Alpaca's API, and read its orders, updates and activities. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from orders.brokers.protocol import VenueOrder, VenueReplace
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.types import OrderType, TimeInForce
from trading_portal.kernel.money import plain

Fields = Mapping[str, Any]
_SPACE = UUID("6f1f6d0e-7d5c-4f4f-9a59-0c7e54e3c0a1")
# What a status says an order has become; the others (pending_…, held) say that it waits for something.
ACKNOWLEDGED = frozenset(
    ("new", "partially_filled", "filled", "done_for_day", "expired", "replaced", "stopped", "suspended", "calculated")
)
# The broker has the order and will route it later, when the market opens: that is an acknowledgement as well.
TAKEN = frozenset(("accepted", "accepted_for_bidding"))
OVER = frozenset(("filled", "canceled", "expired", "replaced", "rejected"))
ENDS: Mapping[str, tuple[ReportKind, str]] = {
    "canceled": (ReportKind.CANCELED, "canceled_at"),
    "expired": (ReportKind.EXPIRED, "expired_at"),
    "rejected": (ReportKind.REJECTED, "failed_at"),
}
PAUSES: Mapping[str, ReportKind] = {
    "done_for_day": ReportKind.DONE_FOR_DAY,
    "suspended": ReportKind.SUSPENDED,
    "stopped": ReportKind.STOPPED,
    "calculated": ReportKind.CALCULATED,
}
FILLS = frozenset(("fill", "partial_fill"))


def refusal(order: VenueOrder) -> str:
    """Return why an order cannot be said in Alpaca's words; empty when it can."""
    if order.time_in_force is TimeInForce.GTC and order.expires_at is not None:
        return "GOOD_TILL_DATE_NOT_SUPPORTED"
    return "SCHEDULE_NOT_SUPPORTED" if order.schedule is not None else ""


def order_fields(order: VenueOrder) -> dict[str, Any]:
    """Return the body that places an order; amounts are text, so that nothing is rounded on the way."""
    fields: dict[str, Any] = {
        "symbol": order.symbol,
        "qty": plain(order.quantity),
        "side": order.side.value,
        "type": order.order_type.value,
        "time_in_force": order.time_in_force.value,
        "client_order_id": str(order.order_id),
    }
    for name in ("limit_price", "stop_price", "trail_price", "trail_percent"):
        if (amount := getattr(order, name)) is not None:
            fields[name] = plain(amount)
    if order.extended_hours:
        fields["extended_hours"] = True
    return fields


def replace_fields(asked: VenueReplace, standing: Fields) -> dict[str, Any]:
    """Return the body that changes an order as it stands: what is to stay is not named."""
    wanted = {
        "qty": asked.quantity,
        "limit_price": asked.limit_price,
        "stop_price": asked.stop_price if standing.get("type") != OrderType.TRAILING_STOP.value else None,
        "trail": asked.trail_price if asked.trail_price is not None else asked.trail_percent,
    }
    stands = {
        "qty": amount(standing.get("qty")),
        "limit_price": amount(standing.get("limit_price")),
        "stop_price": amount(standing.get("stop_price")),
        "trail": amount(standing.get("trail_price")) or amount(standing.get("trail_percent")),
    }
    changed = {name: plain(value) for name, value in wanted.items() if value is not None and value != stands[name]}
    if asked.time_in_force.value != standing.get("time_in_force"):
        changed["time_in_force"] = asked.time_in_force.value
    return {**(changed or {"qty": plain(asked.quantity)}), "client_order_id": str(asked.request_id)}


def amount(value: object) -> Decimal | None:
    """Return a number that came as text or as a JSON number; None for none at all."""
    return None if value in (None, "") else Decimal(str(value))


def instant(value: object) -> datetime | None:
    """Return an RFC 3339 instant; digits beyond the microsecond are cut."""
    if not isinstance(value, str) or not value:
        return None
    read = datetime.fromisoformat(value)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def derived_id(*parts: object) -> str:
    """Return an id for a report that has none: the same wherever the same thing is told again."""
    return str(uuid5(_SPACE, "|".join(map(str, parts))))


def foreign_order_id(venue_order_id: str) -> UUID:
    """Return what stands for an order at the venue that is not ours."""
    return uuid5(_SPACE, f"foreign|{venue_order_id}")


def execution_of(activity: Fields) -> str:
    """Return the execution that an activity tells of: its id is a date, `::` and the execution's."""
    return str(activity["id"]).rpartition("::")[2]


def text_of(told: Fields) -> str:
    """Return why the venue says something ended, as far as it says so."""
    order = told.get("order") if isinstance(told.get("order"), Mapping) else told
    reasons = order.get("reasons") if isinstance(order, Mapping) else None
    sentences = [str(each.get("sentence") or each.get("code")) for each in reasons or [] if isinstance(each, Mapping)]
    return str(told.get("reason") or told.get("text") or " ".join(sentences))[:200]


def report(
    venue: str, kind: ReportKind, order_id: UUID, venue_order_id: str | None, exec_id: str, at: datetime, **more: Any
) -> VenueReport:
    """Return a report in the one shape that all venues have."""
    return VenueReport(
        venue=venue,
        kind=kind,
        order_id=order_id,
        venue_order_id=venue_order_id,
        exec_id=exec_id,
        executed_at=at,
        **more,
    )
