"""Write instruments as Alpaca's assets."""

from __future__ import annotations

from decimal import Decimal

import orjson

from marketdata.domain.types import InstrumentFacts
from marketdata.selectors import BarRow
from trading_portal.kernel.money import divide, plain, stored

# The words its SDKs know; an SDK refuses a whole list for one odd value.
EXCHANGES = frozenset(("AMEX", "ARCA", "ASCX", "BATS", "NYSE", "NASDAQ", "NYSEARCA", "OTC", "CRYPTO"))


def asset_json(instrument: InstrumentFacts) -> dict[str, object]:
    """Return one asset; `currency` and `halted` are ours."""
    return {
        "id": str(instrument.id),
        "class": instrument.asset_class,
        "exchange": instrument.exchange if instrument.exchange in EXCHANGES else "",
        "symbol": instrument.symbol,
        "name": instrument.name,
        "status": "active" if instrument.is_active else "inactive",
        "tradable": instrument.is_active and instrument.is_tradable,
        "marginable": False,
        "shortable": instrument.is_shortable,
        "easy_to_borrow": instrument.is_shortable and instrument.is_easy_to_borrow,
        "fractionable": instrument.fraction < 1,
        "min_order_size": plain(instrument.fraction),
        "min_trade_increment": plain(instrument.fraction),
        "price_increment": plain(instrument.tick_size),
        "attributes": [],
        "currency": instrument.currency,
        "halted": instrument.is_halted,
    }


def bar_json(row: BarRow) -> dict[str, object]:
    """Return one bar. Its amounts are JSON numbers, as Alpaca's market data has them, written digit by digit.

    Clients reckon with what they get here; those that read decimals lose nothing.
    """
    return {
        "t": row.opened_at,
        "o": orjson.Fragment(row.open),
        "h": orjson.Fragment(row.high),
        "l": orjson.Fragment(row.low),
        "c": orjson.Fragment(row.close),
        "v": orjson.Fragment(row.volume),
        "n": row.trade_count,
        "vw": _average_price(row),
    }


def _average_price(row: BarRow) -> orjson.Fragment | None:
    """Return the price that a unit was traded at on average; where nothing was, there is none."""
    volume = Decimal(row.volume)
    return orjson.Fragment(plain(stored(divide(row.notional, volume)))) if volume else None
