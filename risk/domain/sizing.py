"""Work out how many units an amount of money buys or sells."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from msgspec.structs import replace

from risk.domain.case import usable_price
from risk.domain.types import Limits, OrderIntent, PriceFacts
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.money import to_tick

SIZING = "sizing"


def is_unsized(intent: OrderIntent) -> bool:
    """Tell whether an order still waits for the price that makes its amount a quantity."""
    return intent.notional is not None and intent.quantity == 0


def sized(intent: OrderIntent, price: PriceFacts | None, *, in_session: bool, limits: Limits) -> OrderIntent | Reason:
    """Return an order for an amount with its quantity, rounded down to the instrument's least part, or why it has none.

    Taken is the price that the rules judge by: a limit order's own limit, else the side of the quote that it would
    meet. Without a price, or with one that is too old in session, nothing is worked out, whatever else is allowed.
    """
    symbol = intent.instrument.symbol
    if price is None or usable_price(price) is None:
        return reason("PRICE_MISSING", symbol=symbol)
    stale = limits.get("stale_price")
    if stale is None:
        return reason("LIMIT_MISSING", rule="stale_price")
    if in_session and abs(price.age) > stale.value:
        return reason("PRICE_STALE", age=abs(price.age), limit=stale.value)
    notional, step = intent.notional, intent.instrument.fraction
    assert notional is not None
    quantity = to_tick(notional / _unit(intent, price), tick=step, rounding=ROUND_DOWN)
    if quantity <= 0:
        return reason("NOTIONAL_BUYS_NOTHING", notional=notional, symbol=symbol, fraction=step)
    return replace(intent, quantity=quantity)


def _unit(intent: OrderIntent, price: PriceFacts) -> Decimal:
    if intent.limit_price is not None:
        return intent.limit_price
    touch = price.ask if intent.side == "buy" else price.bid
    return touch if touch is not None and touch > 0 else price.reference
