"""Plain cases for the rules: everything is in order until a test says otherwise."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from marketdata.domain.types import InstrumentFacts
from risk.domain.engine import decide
from risk.domain.types import LimitFacts, OrderIntent, PriceFacts, Snapshot
from trading_portal.kernel.ids import uuid7

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ACCOUNT = UUID("01900000-0000-7000-8000-00000000000a")
VALUES = {
    "max_quantity": "10000",
    "max_notional": "250000",
    "price_collar": "0.10",
    "max_position": "20000",
    "concentration": "0.20",
    "order_rate": "100",
    "duplicate_window": "10",
    "max_open_orders": "500",
    "stale_price": "5",
    "short_value": "500000",
}


def d(text):
    return Decimal(text)


def facts(**changes):
    values = {
        "id": UUID("01900000-0000-7000-8000-0000000000f1"),
        "symbol": "AAPL",
        "name": "Apple",
        "asset_class": "us_equity",
        "exchange": "NASDAQ",
        "currency": "USD",
        "tick_size": d("0.01"),
        "lot_size": d("1"),
        "calendar": "XNYS",
        "is_active": True,
        "is_tradable": True,
        "is_halted": False,
        "is_shortable": False,
    }
    return InstrumentFacts(**(values | changes))


def intent(quantity="10", price="100", side="buy", **changes):
    values = {
        "order_id": uuid7(),
        "account_id": ACCOUNT,
        "owner_id": ACCOUNT,
        "instrument": facts(),
        "side": side,
        "order_type": "market" if price is None else "limit",
        "time_in_force": "day",
        "quantity": d(quantity),
        "limit_price": None if price is None else d(price),
        "stop_price": None,
        "placed_at": AT,
        "base_currency": "USD",
    }
    return OrderIntent(**(values | changes))


def price(reference="100", age="1", bid=None, ask=None, is_quote=True):
    bid, ask = bid or reference, ask or reference
    return PriceFacts(d(reference), d(bid), d(ask), d(age), is_quote)


def snapshot(**changes):
    values = {
        "is_open": True,
        "price": price(),
        "rate": d("1"),
        "cash": d("1000000"),
        "equity": d("1000000"),
    }
    return Snapshot(**(values | changes))


def limits(**values):
    """Return the firm's limits; `name="5"` sets one, `name=None` takes it away, `name=LimitFacts` puts it in."""
    found = {}
    for rule, value in (VALUES | values).items():
        if isinstance(value, LimitFacts):
            found[rule] = value
        elif value is not None:
            found[rule] = LimitFacts(rule, d(value), 1, "firm")
    return found


def off(rule, value="0"):
    return LimitFacts(rule, d(value), 1, "account", is_enforced=False)


def judged(order=None, met=None, by=None):
    return decide(order or intent(), met or snapshot(), limits() if by is None else by)


def codes(decision):
    return {why.code for why in decision.reasons}


def check_of(decision, rule):
    return next((check for check in decision.checks if check.rule == rule), None)


def but(struct, **changes):
    return msgspec.structs.replace(struct, **changes)
