"""Hold an order to its instrument: its price grid, its lots and fractions, and what is not for every asset."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from marketdata.domain.calendars import EXCHANGES
from marketdata.domain.types import US_EQUITY, InstrumentFacts
from orders.domain.commands import OrderFields
from orders.domain.parsing import timing_reasons
from orders.domain.types import AUCTIONS, OrderClass, TimeInForce
from risk.domain.grid import price_reasons, quantity_reasons
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.money import currency_places, is_multiple

ONE = Decimal(1)
LEAST_NOTIONAL = ONE


def order_reasons(fields: OrderFields, instrument: InstrumentFacts | None, *, at: datetime) -> list[Reason]:
    """Return why what could be read is no order here and now, for whoever places, previews or replaces."""
    if instrument is None:
        return [reason("SYMBOL_UNKNOWN", symbol=fields.symbol)]
    return instrument_reasons(fields, instrument) + timing_reasons(fields, at=at)


def instrument_reasons(fields: OrderFields, instrument: InstrumentFacts) -> list[Reason]:
    """Return why an order cannot be one in this instrument: off its grid, or of a kind that the asset has not."""
    is_simple = fields.order_class is OrderClass.SIMPLE
    found: list[Reason] = []
    if fields.notional is None:
        found += quantity_reasons(
            instrument,
            quantity=fields.quantity,
            order_type=fields.order_type,
            time_in_force=fields.time_in_force,
            is_simple=is_simple and fields.schedule is None,
        )
    else:
        found += _notional_reasons(fields.notional, fields.time_in_force, instrument)
    prices = [price for price in (fields.limit_price, fields.stop_price) if price is not None]
    found += price_reasons(instrument, prices if is_simple else [*prices, *_leg_prices(fields)])
    if fields.trail_price is not None and not is_multiple(fields.trail_price, instrument.tick_size):
        found.append(reason("PRICE_OFF_TICK", price=fields.trail_price, tick=instrument.tick_size))
    if fields.time_in_force in AUCTIONS and instrument.calendar not in EXCHANGES:
        found.append(reason("AUCTION_NOT_HELD", symbol=instrument.symbol, time_in_force=fields.time_in_force))
    if fields.extended_hours and instrument.asset_class != US_EQUITY:
        found.append(reason("EXTENDED_HOURS_NOT_HELD", symbol=instrument.symbol))
    slices = fields.schedule.slices if fields.schedule else None
    if slices is not None and fields.quantity < slices * instrument.lot_size:
        found.append(reason("ALGORITHM_SLICES_TOO_SMALL", slices=slices, quantity=fields.quantity))
    return found


def _notional_reasons(notional: Decimal, time_in_force: TimeInForce, instrument: InstrumentFacts) -> list[Reason]:
    """Take amounts for what can be bought in parts: of shares for the day and, as Alpaca has it, from one dollar.

    An amount has the decimals of its currency.
    """
    if not instrument.is_fractionable and instrument.lot_size >= ONE:
        return [reason("NOT_FRACTIONABLE", symbol=instrument.symbol)]
    if instrument.asset_class == US_EQUITY and time_in_force is not TimeInForce.DAY:
        return [reason("FRACTION_NEEDS_DAY", symbol=instrument.symbol)]
    if instrument.asset_class == US_EQUITY and notional < LEAST_NOTIONAL:
        return [reason("NOTIONAL_TOO_SMALL", notional=notional, least=LEAST_NOTIONAL)]
    step = ONE.scaleb(-currency_places(instrument.currency))
    return [] if is_multiple(notional, step) else [reason("NOTIONAL_OFF_CENT", notional=notional, step=step)]


def _leg_prices(fields: OrderFields) -> Iterator[Decimal]:
    # The limit of an OCO order is its take-profit's, and is told once.
    if fields.take_profit is not None and fields.order_class is not OrderClass.OCO:
        yield fields.take_profit.limit_price
    if fields.stop_loss is not None:
        yield fields.stop_loss.stop_price
        if fields.stop_loss.limit_price is not None:
            yield fields.stop_loss.limit_price
