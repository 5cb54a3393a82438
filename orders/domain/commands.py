"""What somebody asks of an order, after parsing and before any decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Literal
from uuid import UUID

from audit.domain.types import Actor
from orders.domain.types import OrderType, TimeInForce
from positions.domain.types import Side
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import plain

Source = Literal["web", "api", "bulk", "fix"]


@dataclass(frozen=True, slots=True)
class OrderFields:
    """The fields of an order as its sender wrote them, structurally sound; `client_order_id` may be left to us."""

    symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    extended_hours: bool
    client_order_id: str | None


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """Ask for one order in one account; `placed_at` is when the sender's request arrived."""

    account_id: UUID
    symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    extended_hours: bool
    client_order_id: str
    by: Actor
    source: Source
    api_key_pk: UUID | None
    correlation_id: UUID
    placed_at: datetime


def place_order(
    fields: OrderFields,
    *,
    account_id: UUID,
    by: Actor,
    source: Source,
    correlation_id: UUID,
    placed_at: datetime,
    api_key_pk: UUID | None = None,
) -> PlaceOrder:
    """Return the command that parsed fields make; an order without a client_order_id gets one of ours."""
    return PlaceOrder(
        account_id,
        fields.symbol,
        fields.side,
        fields.order_type,
        fields.time_in_force,
        fields.quantity,
        fields.limit_price,
        fields.stop_price,
        fields.extended_hours,
        fields.client_order_id or str(uuid7()),
        by,
        source,
        api_key_pk,
        correlation_id,
        placed_at,
    )


def command_hash(command: PlaceOrder) -> bytes:
    """Return the SHA-256 of what is ordered, written one way: who asked, how and when do not count."""
    parts = (
        command.symbol,
        command.side.value,
        command.order_type.value,
        command.time_in_force.value,
        plain(command.quantity),
        "" if command.limit_price is None else plain(command.limit_price),
        "" if command.stop_price is None else plain(command.stop_price),
        "1" if command.extended_hours else "0",
    )
    return sha256("\x1f".join(parts).encode()).digest()
