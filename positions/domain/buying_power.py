"""Say what an account may still spend and deliver: a cash account, without margin."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from positions.domain.types import AccountExposure, Side, WorkingOrders
from trading_portal.kernel.money import ZERO, stored


def reserved_cash(working: Iterable[WorkingOrders]) -> dict[str, Decimal]:
    """Return by currency what open buy orders may still spend, each at its worst price."""
    reserved: dict[str, Decimal] = {}
    for orders in working:
        if orders.side is Side.BUY:
            reserved[orders.currency] = reserved.get(orders.currency, ZERO) + stored(orders.value)
    return reserved


def reserved_quantity(working: Iterable[WorkingOrders]) -> dict[UUID, Decimal]:
    """Return by instrument what open sell orders may still deliver."""
    reserved: dict[UUID, Decimal] = {}
    for orders in working:
        if orders.side is Side.SELL:
            reserved[orders.instrument_id] = reserved.get(orders.instrument_id, ZERO) + orders.quantity_left
    return reserved


def free_cash(exposure: AccountExposure) -> dict[str, Decimal]:
    """Return by currency the buying power: cash less what open buy orders may still spend.

    Cash of one currency never pays for a trade in another; nothing is borrowed.
    """
    reserved = reserved_cash(exposure.working)
    currencies = exposure.cash.keys() | reserved.keys()
    return {currency: exposure.cash.get(currency, ZERO) - reserved.get(currency, ZERO) for currency in currencies}


def quantity_committed(exposure: AccountExposure, instrument_id: UUID) -> Decimal:
    """Return how much of a holding open orders may close already: sales of what is held, purchases of what is short."""
    held = exposure.holdings.get(instrument_id)
    closes = Side.BUY if held is not None and held.quantity < ZERO else Side.SELL
    return sum(
        (
            each.quantity_left
            for each in exposure.working
            if each.instrument_id == instrument_id and each.side is closes
        ),
        ZERO,
    )


def quantity_available(exposure: AccountExposure, instrument_id: UUID) -> Decimal:
    """Return what may still be sold of an instrument: the holding less what open sell orders may deliver."""
    held = exposure.holdings.get(instrument_id)
    return (held.quantity if held else ZERO) - reserved_quantity(exposure.working).get(instrument_id, ZERO)
