"""Hold an order to its instrument: its price grid, its lots and fractions, and what is not for every asset."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from marketdata.domain.calendars import EXCHANGES
from marketdata.domain.types import US_EQUITY, InstrumentFacts
from orders.domain.commands import OrderFields
from orders.domain.types import OrderClass, TimeInForce
from risk.domain.grid import price_reasons, quantity_reasons
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.money import is_multiple

ONE = Decimal(1)
CENT = Decimal("0.01")
LEAST_NOTIONAL = ONE
_AUCTIONS = frozenset((TimeInForce.OPG, TimeInForce.CLS))


def instrument_reasons(fields: OrderFields, instrument: InstrumentFacts) -> list[Reason]:
    """Return why an order cannot be one in this instrument: off its grid, or of a kind that the asset has not."""
    found = quantity_reasons(
        instrument,
        quantity=fields.quantity,
        is_sized=fields.notional is None,
        order_type=fields.order_type,
        time_in_force=fields.time_in_force,
        is_simple=fields.order_class is OrderClass.SIMPLE and fields.schedule is None,
    )
    found += price_reasons(instrument, _prices(fields))
    if fields.trail_price is not None and not is_multiple(fields.trail_price, instrument.tick_size):
        found.append(reason("PRICE_OFF_TICK", price=fields.trail_price, tick=instrument.tick_size))
    if fields.notional is not None:
        found += _notional_reasons(fields, instrument)
    if fields.time_in_force in _AUCTIONS and instrument.calendar not in EXCHANGES:
        found.append(reason("AUCTION_NOT_HELD", symbol=instrument.symbol, time_in_force=fields.time_in_force))
    if fields.extended_hours and instrument.asset_class != US_EQUITY:
        found.append(reason("EXTENDED_HOURS_NOT_HELD", symbol=instrument.symbol))
    slices = fields.schedule.slices if fields.schedule else None
    if slices is not None and fields.quantity < slices * instrument.lot_size:
        found.append(reason("ALGORITHM_SLICES_TOO_SMALL", slices=slices, quantity=fields.quantity))
    return found


def _notional_reasons(fields: OrderFields, instrument: InstrumentFacts) -> list[Reason]:
    """Alpaca takes amounts from one dollar, to the cent, for what can be bought in parts."""
    notional = fields.notional
    assert notional is not None
    if not instrument.is_fractionable and instrument.lot_size >= ONE:
        return [reason("NOT_FRACTIONABLE", symbol=instrument.symbol)]
    if instrument.asset_class == US_EQUITY and fields.time_in_force is not TimeInForce.DAY:
        return [reason("FRACTION_NEEDS_DAY", symbol=instrument.symbol)]
    if notional < LEAST_NOTIONAL:
        return [reason("NOTIONAL_TOO_SMALL", notional=notional, least=LEAST_NOTIONAL)]
    return [] if is_multiple(notional, CENT) else [reason("NOTIONAL_OFF_CENT", notional=notional)]


def _prices(fields: OrderFields) -> Iterator[Decimal]:
    for price in (fields.limit_price, fields.stop_price):
        if price is not None:
            yield price
    # The limit of an OCO order is its take-profit's, and is told once.
    if fields.take_profit is not None and fields.order_class is not OrderClass.OCO:
        yield fields.take_profit.limit_price
    if fields.stop_loss is not None:
        yield fields.stop_loss.stop_price
        if fields.stop_loss.limit_price is not None:
            yield fields.stop_loss.limit_price
