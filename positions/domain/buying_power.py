"""Say what an account may still spend and deliver: cash pays in full, and what is sold short holds cash as margin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from uuid import UUID

from positions.domain.types import AccountExposure, Side, WorkingOrders
from trading_portal.kernel.money import ZERO, divide, multiply, stored

SHORT_REQUIREMENT = Decimal("1.5")
"""Regulation T (12 CFR 220.12(c)): a short position holds 150% of its worth, of which its own proceeds are 100%."""
_DEPOSIT = SHORT_REQUIREMENT - 1


def short_margin(quantity: Decimal, price: Decimal) -> Decimal:
    """Return the cash that a short position holds at a price; a long one holds none."""
    return multiply(multiply(-quantity, price), SHORT_REQUIREMENT) if quantity < 0 else ZERO


def short_reserve(value: Decimal) -> Decimal:
    """Return the cash that an open short sale needs beside what it will bring in."""
    return multiply(value, _DEPOSIT)


def part_of(value: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Return the share of a value that a part has of a whole; exact where it is all or nothing."""
    if part >= whole:
        return value
    return divide(multiply(value, part), whole) if part > 0 else ZERO


def cash_needed(holding: Decimal, *, buys: Decimal, buy_value: Decimal, sells: Decimal, sell_value: Decimal) -> Decimal:
    """Return the cash that the open orders in one instrument need, beside what a short position in it holds already.

    Buys pay in full, but for those that cover what is short: its margin pays for them. Sells of what is held need
    nothing, sells beyond it their deposit.
    """
    to_open = max(ZERO, buys + min(ZERO, holding))
    needed = part_of(buy_value, to_open, buys)
    short = max(ZERO, sells - max(ZERO, holding))
    return needed + short_reserve(part_of(sell_value, short, sells)) if short else needed


def reserved_cash(working: Iterable[WorkingOrders], holdings: Mapping[UUID, Decimal]) -> dict[str, Decimal]:
    """Return by currency what open orders need, each at its worst price."""
    sums: dict[tuple[UUID, str], list[Decimal]] = {}
    for orders in working:
        found = sums.setdefault((orders.instrument_id, orders.currency), [ZERO, ZERO, ZERO, ZERO])
        first = 0 if orders.side is Side.BUY else 2
        found[first] += orders.quantity_left
        found[first + 1] += orders.value
    reserved: dict[str, Decimal] = {}
    for (instrument_id, currency), (buys, buy_value, sells, sell_value) in sums.items():
        held = holdings.get(instrument_id, ZERO)
        needed = cash_needed(held, buys=buys, buy_value=buy_value, sells=sells, sell_value=sell_value)
        if needed:
            reserved[currency] = reserved.get(currency, ZERO) + stored(needed)
    return reserved


def reserved_quantity(working: Iterable[WorkingOrders], side: Side = Side.SELL) -> dict[UUID, Decimal]:
    """Return by instrument what open orders of a side may still trade: sells deliver, buys cover."""
    reserved: dict[UUID, Decimal] = {}
    for orders in working:
        if orders.side is side:
            reserved[orders.instrument_id] = reserved.get(orders.instrument_id, ZERO) + orders.quantity_left
    return reserved


def margin_held(exposure: AccountExposure, prices: Mapping[UUID, Decimal]) -> dict[str, Decimal | None]:
    """Return by currency the cash that short positions hold; None where one of them has no price."""
    margin: dict[str, Decimal | None] = {}
    for held in exposure.holdings.values():
        if held.quantity >= 0:
            continue
        price, before = prices.get(held.instrument_id), margin.get(held.currency, ZERO)
        if price is None or before is None:
            margin[held.currency] = None
        else:
            margin[held.currency] = before + stored(short_margin(held.quantity, price))
    return margin


def free_cash(exposure: AccountExposure, prices: Mapping[UUID, Decimal]) -> dict[str, Decimal | None]:
    """Return by currency the buying power: cash less what open orders need and short positions hold.

    Cash of one currency never pays for a trade in another; nothing is borrowed. `prices` are those of what is short:
    without one of them it is not known.
    """
    reserved = reserved_cash(exposure.working, {key: held.quantity for key, held in exposure.holdings.items()})
    margin = margin_held(exposure, prices)
    free: dict[str, Decimal | None] = {}
    for currency in exposure.cash.keys() | reserved.keys() | margin.keys():
        held = margin.get(currency, ZERO)
        rest = exposure.cash.get(currency, ZERO) - reserved.get(currency, ZERO)
        free[currency] = None if held is None else rest - held
    return free


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
