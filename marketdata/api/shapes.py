"""Write instruments as Alpaca's assets."""

from __future__ import annotations

from marketdata.domain.types import InstrumentFacts
from trading_portal.kernel.money import plain

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
