"""What somebody asks of an order, after parsing and before any decision."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import asdict

from audit.domain.types import Actor
from orders.domain.types import Algorithm, OrderClass, OrderType, TimeInForce
from positions.domain.types import Side
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import ZERO, plain

Source = Literal["web", "api", "bulk", "fix"]


class TakeProfit(msgspec.Struct, frozen=True, kw_only=True):
    """The leg that leaves a position at a better price."""

    limit_price: Decimal


class StopLoss(msgspec.Struct, frozen=True, kw_only=True):
    """The leg that leaves a position at a worse price; with a limit it becomes a stop_limit order."""

    stop_price: Decimal
    limit_price: Decimal | None = None


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """How a parent order is worked over time; `slices` None lets the algorithm choose."""

    algorithm: Algorithm
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    slices: int | None = None


class OrderFields(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of an order as its sender wrote them, structurally sound; `client_order_id` may be left to us.

    `quantity` is 0 where `notional` is given: as much as that amount buys. A trailing stop has one of `trail_price`
    and `trail_percent`. `good_till` makes a gtc order end at that instant (FIX 59=6). `closes_only` refuses an order
    that would do more than bring a position nearer to nothing.
    """

    symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal = ZERO
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    good_till: datetime | None = None
    extended_hours: bool = False
    order_class: OrderClass = OrderClass.SIMPLE
    take_profit: TakeProfit | None = None
    stop_loss: StopLoss | None = None
    schedule: Schedule | None = None
    venue: str | None = None
    closes_only: bool = False
    client_order_id: str | None = None


class PlaceOrder(OrderFields, frozen=True, kw_only=True):
    """Ask for one order in one account; `placed_at` is when the sender's request arrived."""

    account_id: UUID
    client_order_id: str
    by: Actor
    source: Source
    api_key_pk: UUID | None
    correlation_id: UUID
    placed_at: datetime


class ReplaceFields(msgspec.Struct, frozen=True, kw_only=True):
    """What a replace asks to change, as its sender wrote it, structurally sound; None leaves a term as it is.

    `quantity` is the whole order's, fills included. `trail` is the new trail_price or trail_percent, whichever the
    order has. `good_till` makes a gtc order end at that instant; with `time_in_force` gtc and without it, it is open.
    """

    quantity: Decimal | None = None
    time_in_force: TimeInForce | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    good_till: datetime | None = None
    client_order_id: str | None = None


class ReplaceOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for a change of one order, named by any id it has or had; None as account may change any."""

    order_id: UUID
    account_id: UUID | None
    fields: ReplaceFields
    by: Actor
    correlation_id: UUID
    requested_at: datetime


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
    given = asdict(fields)
    given["client_order_id"] = fields.client_order_id or str(uuid7())
    return PlaceOrder(
        **given,
        account_id=account_id,
        by=by,
        source=source,
        api_key_pk=api_key_pk,
        correlation_id=correlation_id,
        placed_at=placed_at,
    )


def command_hash(command: PlaceOrder) -> bytes:
    """Return the SHA-256 of what is ordered, written one way: who asked, how and when do not count."""
    parts = [
        command.symbol,
        command.side.value,
        command.order_type.value,
        command.time_in_force.value,
        plain(command.quantity),
        "" if command.limit_price is None else plain(command.limit_price),
        "" if command.stop_price is None else plain(command.stop_price),
        "1" if command.extended_hours else "0",
    ]
    for name in _RARE:
        value = getattr(command, name)
        if value is not None and value is not OrderClass.SIMPLE and value is not False:
            parts.append(f"{name}={_written(value)}")
    return sha256("\x1f".join(parts).encode()).digest()


def replace_hash(order_id: UUID, given: ReplaceFields) -> bytes:
    """Return the SHA-256 of what a replace asks of an order, named by the id it had first."""
    names = (name for name in given.__struct_fields__ if name != "client_order_id")
    asked = [f"{name}={_written(getattr(given, name))}" for name in names]
    return sha256("\x1f".join([str(order_id), *asked]).encode()).digest()


_RARE = (
    "notional", "trail_price", "trail_percent", "good_till", "order_class", "take_profit", "stop_loss", "schedule",
    "venue", "closes_only",
)  # fmt: skip


def _written(value: object) -> str:
    """Return one way to write a field: decimals without trailing zeros, instants in UTC."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, TakeProfit | StopLoss | Schedule):
        return ",".join(f"{name}={_written(getattr(value, name))}" for name in value.__struct_fields__)
    return "" if value is None else str(value)
