"""Turn positions into the orders that close them; placing these is the caller's, through the queue like any other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from uuid import UUID, uuid5

import msgspec

from audit.domain.types import Actor
from marketdata.domain.types import FRACTION, US_EQUITY, InstrumentFacts
from marketdata.selectors import instruments_by_id
from orders.domain.commands import OrderFields
from orders.domain.types import OrderType, TimeInForce
from orders.selectors.orders import orders_open, orders_open_ids
from orders.services.cancelling import orders_cancel
from positions.domain.buying_power import quantity_committed
from positions.domain.types import Side
from positions.selectors import exposures
from trading_portal.kernel import clock
from trading_portal.kernel.money import is_multiple, to_tick

WAIT_SECONDS = 3.0
_POLL_SECONDS = 0.02
_NAMESPACE = UUID("8c0f2a52-3f0b-5d0e-a6a8-6c6f0a5d7e21")
_WHOLE = Decimal(100)


class OpenPosition(msgspec.Struct, frozen=True):
    """What an account holds of one instrument (negative is short), and how much of it working orders may close."""

    instrument: InstrumentFacts
    quantity: Decimal
    committed: Decimal

    @property
    def available(self) -> Decimal:
        """Return how much no order is going to close."""
        return abs(self.quantity) - self.committed


def positions_open(account_id: UUID) -> list[OpenPosition]:
    """Return what an account holds, by symbol."""
    exposure = exposures([account_id])[account_id]
    instruments = instruments_by_id(exposure.holdings)
    held = [
        OpenPosition(instruments[key], holding.quantity, quantity_committed(exposure, key))
        for key, holding in exposure.holdings.items()
    ]
    return sorted(held, key=lambda position: position.instrument.symbol)


def position_of(positions: Collection[OpenPosition], symbol_or_id: str) -> OpenPosition | None:
    """Return the position of a symbol, with or without its slash, or of an instrument's id."""
    wanted = symbol_or_id.upper()
    for position in positions:
        symbol = position.instrument.symbol
        if wanted in (symbol, symbol.replace("/", ""), str(position.instrument.id).upper()):
            return position
    return None


def closing_quantity(position: OpenPosition, *, quantity: Decimal | None, percentage: Decimal | None) -> Decimal:
    """Return how much to close: a quantity, or a share rounded down to what can be traded; all of it when none."""
    held = abs(position.quantity)
    if quantity is not None:
        return quantity
    if percentage is None or percentage == _WHOLE:
        return held
    lot = position.instrument.lot_size
    step = lot if is_multiple(held, lot) and not position.instrument.is_fractionable else FRACTION
    return to_tick(held * percentage / _WHOLE, tick=step, rounding=ROUND_DOWN)


def closing_order(position: OpenPosition, quantity: Decimal, *, client_order_id: str | None) -> OrderFields:
    """Return the market order that closes so much of a position, and can do no more than that."""
    is_equity = position.instrument.asset_class == US_EQUITY
    return OrderFields(
        symbol=position.instrument.symbol,
        side=Side.SELL if position.quantity > 0 else Side.BUY,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY if is_equity else TimeInForce.GTC,
        quantity=quantity,
        closes_only=True,
        client_order_id=client_order_id,
    )


def closing_id(key: str, instrument_id: UUID) -> str:
    """Return the client_order_id that a named request gives the order closing an instrument: the same each time."""
    return str(uuid5(_NAMESPACE, f"{key}:{instrument_id}"))


def orders_cancel_open(
    *, account_id: UUID, by: Actor, correlation_id: UUID, at: datetime, instrument_id: UUID | None = None
) -> None:
    """Cancel an account's orders, or those in one instrument; the venues have yet to let go of what was sent."""
    found = orders_open_ids(account_id=account_id, instrument_id=instrument_id, with_changing=True)
    if found:
        asked = [order_id for _, order_id in found]
        orders_cancel(order_ids=asked, account_id=account_id, by=by, correlation_id=correlation_id, at=at)


def orders_clear(
    *,
    account_id: UUID,
    by: Actor,
    correlation_id: UUID,
    at: datetime,
    instrument_id: UUID | None = None,
    seconds: float | None = None,
) -> bool:
    """Cancel an account's orders, or those in one instrument, and wait until the venues have let go of them.

    Tell whether all were in time. It holds its thread; `orders_gone` holds none.
    """
    orders_cancel_open(account_id=account_id, by=by, correlation_id=correlation_id, at=at, instrument_id=instrument_id)
    deadline = clock.monotonic() + (WAIT_SECONDS if seconds is None else seconds)
    while any(instrument_id in (None, order.instrument_id) for order in orders_open([account_id])):
        if clock.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


async def orders_gone(account_id: UUID, *, is_working: Callable[[UUID], Awaitable[bool]]) -> bool:
    """Wait until no order of an account works any more, without holding a thread; tell whether that was in time."""
    deadline = clock.monotonic() + WAIT_SECONDS
    while await is_working(account_id):
        if clock.monotonic() >= deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


def accounts_working(account_ids: Sequence[UUID]) -> list[bool]:
    """Tell of each account whether an order of it is open."""
    working = {order.account_id for order in orders_open(set(account_ids))}
    return [account_id in working for account_id in account_ids]
