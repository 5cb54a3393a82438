"""Change the terms of an order that works: what may be changed, and what it then is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from orders.domain.brackets import is_exit
from orders.domain.commands import OrderFields, ReplaceFields
from orders.domain.facts import OrderFacts, OrderTerms
from orders.domain.types import (
    RESTING_TIMES,
    WITH_LIMIT,
    WITH_STOP,
    BaseState,
    OrderType,
    PendingOperation,
    TimeInForce,
)
from positions.domain.types import Side
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.money import ZERO, plain

_AMOUNTS = ("quantity", "limit_price", "stop_price", "trail_price", "trail_percent")


def change_faults(order: OrderFacts, asked: ReplaceFields) -> list[Reason]:
    """Return why what is asked does not suit the order; whether its state allows a change is the lifecycle's to say."""
    found = [
        reason("REPLACE_FIELD_NOT_THERE", field=name, type=order.order_type.value)
        for name, value, types in (
            ("limit_price", asked.limit_price, WITH_LIMIT),
            ("stop_price", asked.stop_price, WITH_STOP),
            ("trail", asked.trail, (OrderType.TRAILING_STOP,)),
        )
        if value is not None and order.order_type not in types
    ]
    if asked.quantity is not None and order.notional is not None:
        found.append(reason("REPLACE_OF_NOTIONAL"))
    elif asked.quantity is not None and asked.quantity <= order.filled_quantity:
        found.append(reason("QUANTITY_NOT_ABOVE_FILLED", quantity=asked.quantity, filled=order.filled_quantity))
    if asked.quantity is not None and is_exit(order):
        found.append(reason("REPLACE_OF_EXIT_QUANTITY"))
    was, becomes = order.time_in_force, asked.time_in_force or order.time_in_force
    if was is not becomes and not {was, becomes} <= RESTING_TIMES:
        found.append(reason("REPLACE_OF_TIME_IN_FORCE", was=was.value, becomes=becomes.value))
    if asked.good_till is not None and becomes is not TimeInForce.GTC:
        found.append(reason("GOOD_TILL_NEEDS_GTC"))
    return found


def terms_asked(
    order: OrderFacts,
    asked: ReplaceFields,
    *,
    version_id: UUID,
    number: int,
    client_order_id: str,
) -> OrderTerms:
    """Return what an order would be; the end of one that becomes a day order is its session's to say."""
    has_trail_price = order.trail_price is not None
    time_in_force = asked.time_in_force or order.time_in_force
    return OrderTerms(
        version_id=version_id,
        number=number,
        client_order_id=client_order_id,
        quantity=order.quantity if asked.quantity is None else asked.quantity,
        time_in_force=time_in_force,
        limit_price=order.limit_price if asked.limit_price is None else asked.limit_price,
        stop_price=order.stop_price if asked.stop_price is None else asked.stop_price,
        trail_price=asked.trail if asked.trail is not None and has_trail_price else order.trail_price,
        trail_percent=asked.trail if asked.trail is not None and not has_trail_price else order.trail_percent,
        replaces=order.public_id,
        expires_at=_expires_at(order, asked),
        worst_price=None,
    )


def _expires_at(order: OrderFacts, asked: ReplaceFields) -> datetime | None:
    if asked.good_till is not None:
        return asked.good_till
    keeps = asked.time_in_force in (None, order.time_in_force) and asked.time_in_force is not TimeInForce.GTC
    return order.expires_at if keeps else None


def fields_amended(order: OrderFacts, terms: OrderTerms, asked: ReplaceFields) -> OrderFields:
    """Return the order as one of these terms would have been sent, to be held to the same grid and times."""
    return OrderFields(
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        time_in_force=terms.time_in_force,
        quantity=terms.quantity,
        limit_price=terms.limit_price,
        stop_price=terms.stop_price,
        trail_price=terms.trail_price,
        trail_percent=terms.trail_percent,
        good_till=asked.good_till,
        extended_hours=order.extended_hours,
    )


def is_changed(order: OrderFacts, terms: OrderTerms) -> bool:
    """Tell whether terms differ from those the order has."""
    names = (*_AMOUNTS, "time_in_force", "expires_at")
    return any(getattr(order, name) != getattr(terms, name) for name in names)


def is_decreasing(order: OrderFacts, terms: OrderTerms) -> bool:
    """Tell whether terms leave less at stake than the order has: never more units, and no keener a price."""
    if terms.quantity - order.filled_quantity > order.leaves_quantity:
        return False
    if (terms.trail_price, terms.trail_percent) != (order.trail_price, order.trail_percent):
        return False
    prices = ((order.limit_price, terms.limit_price), (order.stop_price, terms.stop_price))
    return all(_is_no_keener(order.side, was, becomes) for was, becomes in prices)


def _is_no_keener(side: Side, was: Decimal | None, becomes: Decimal | None) -> bool:
    if was is None or becomes is None:
        return was == becomes
    # What a short sale has at stake grows with its price: only the same price leaves no more of it.
    return becomes <= was if side is Side.BUY else becomes == was


def terms_taken(order: OrderFacts, asked: OrderTerms, *, price: Decimal | None, stop: Decimal | None) -> OrderTerms:
    """Return the terms a venue gave: those asked for, and the prices it says instead where it says some."""
    limit_price = price if price and order.order_type in WITH_LIMIT else asked.limit_price
    stop_price = stop if stop and order.order_type in WITH_STOP else asked.stop_price
    worst_price = asked.worst_price
    if worst_price is not None and limit_price is not None:
        worst_price = max(worst_price, limit_price)
    return replace(asked, limit_price=limit_price, stop_price=stop_price, worst_price=worst_price)


def amended(order: OrderFacts, terms: OrderTerms) -> OrderFacts:
    """Return an order under new terms; its quantity is the lifecycle's to say."""
    return replace(
        order,
        client_order_id=terms.client_order_id,
        time_in_force=terms.time_in_force,
        limit_price=terms.limit_price,
        stop_price=terms.stop_price,
        trail_price=terms.trail_price,
        trail_percent=terms.trail_percent,
        expires_at=terms.expires_at,
        worst_price=terms.worst_price,
        version_number=terms.number,
        version_id=terms.version_id,
        replaces=terms.replaces,
    )


def terms_text(terms: OrderTerms | OrderFacts, *, quantity: Decimal | None = None) -> dict[str, str]:
    """Return terms as events tell them: text, and nothing of what is not there."""
    told: dict[str, Any] = {name: getattr(terms, name) for name in _AMOUNTS}
    told["quantity"] = terms.quantity if quantity is None else quantity
    said = {name: plain(value) for name, value in told.items() if value is not None}
    said["time_in_force"] = terms.time_in_force.value
    if terms.expires_at is not None:
        said["expires_at"] = terms.expires_at.astimezone(UTC).isoformat()
    return said


def terms_read(told: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of an order that terms tell."""
    found: dict[str, Any] = {name: Decimal(told[name]) if name in told else None for name in _AMOUNTS}
    found["time_in_force"] = TimeInForce(told["time_in_force"])
    found["expires_at"] = datetime.fromisoformat(told["expires_at"]) if "expires_at" in told else None
    return found


def as_asked(
    order: OrderFacts, terms: OrderTerms, *, reasons: list[Mapping[str, Any]], rejected_at: datetime | None
) -> OrderFacts:
    """Return an order as a replace of it shows: on its way to the venue, or refused, under the id it asked for."""
    seen = replace(amended(order, terms), quantity=terms.quantity, pending=PendingOperation.NONE)
    if rejected_at is None:
        return replace(seen, base=BaseState.PENDING_NEW, ended_at=None, filled_at=None)
    nothing: dict[str, Any] = {"filled_quantity": ZERO, "filled_value": ZERO, "average_price": None, "filled_at": None}
    return replace(seen, base=BaseState.REJECTED, is_unknown=False, reasons=reasons, ended_at=rejected_at, **nothing)


def as_replaced(
    order: OrderFacts,
    *,
    version_id: UUID | None,
    replaces: UUID | None,
    was: Mapping[str, str],
    replaced_by: UUID,
    replaced_at: datetime,
) -> OrderFacts:
    """Return an order as it was until a replace took over; `version_id` is None for what it was at first."""
    average = was.get("average_price")
    return replace(
        order,
        **terms_read(was),
        client_order_id=was["client_order_id"],
        base=BaseState.REPLACED,
        pending=PendingOperation.NONE,
        is_unknown=False,
        filled_quantity=Decimal(was["filled_quantity"]),
        filled_value=Decimal(was["filled_value"]),
        average_price=None if average is None else Decimal(average),
        filled_at=None,
        ended_at=None,
        updated_at=replaced_at,
        version_id=version_id,
        replaces=replaces,
        replaced_by=replaced_by,
        replaced_at=replaced_at,
    )
