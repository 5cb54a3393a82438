"""The grid an instrument's quantities and prices lie on: once for whoever takes orders and for the rules."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from marketdata.domain.types import US_EQUITY, InstrumentFacts
from risk.domain.words import PLAIN_TYPES, TimeInForce
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.money import is_multiple


def lot_for(instrument: InstrumentFacts, *, order_type: str, time_in_force: str, is_simple: bool = True) -> Decimal:
    """Return the step of an order's quantity: parts of a share are for plain market and limit orders of the day.

    Alpaca: fractional orders have time_in_force day, and none of bracket, OCO and OTO. What trades in parts by nature,
    as crypto does, has its lot for every order.
    """
    if not instrument.is_fractionable or instrument.asset_class != US_EQUITY:
        return instrument.lot_size
    is_plain = is_simple and time_in_force == TimeInForce.DAY and order_type in PLAIN_TYPES
    return instrument.fraction if is_plain else instrument.lot_size


def quantity_reasons(
    instrument: InstrumentFacts,
    *,
    quantity: Decimal,
    order_type: str,
    time_in_force: str,
    is_simple: bool = True,
) -> list[Reason]:
    """Return why a quantity is not one of this instrument."""
    lot = lot_for(instrument, order_type=order_type, time_in_force=time_in_force, is_simple=is_simple)
    return [] if is_multiple(quantity, lot) else [reason("QUANTITY_OFF_LOT", quantity=quantity, lot=lot)]


def price_reasons(instrument: InstrumentFacts, prices: Iterable[Decimal]) -> list[Reason]:
    """Return which prices do not lie on the instrument's grid."""
    found = []
    for price in prices:
        tick = instrument.tick_at(price)
        if not is_multiple(price, tick):
            found.append(reason("PRICE_OFF_TICK", price=price, tick=tick))
    return found
