"""The instruments that a demonstration opens with."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from marketdata.domain.calendars import ROUND_THE_CLOCK
from marketdata.domain.types import US_EQUITY


@dataclass(frozen=True, slots=True)
class DemoInstrument:
    """An instrument and where its simulated price starts; `resembles` names the series it is calibrated on."""

    symbol: str
    name: str
    exchange: str
    start: Decimal
    resembles: str = ""
    asset_class: str = US_EQUITY
    currency: str = "USD"
    tick: Decimal = Decimal("0.01")
    lot: Decimal = Decimal(1)
    calendar: str = "XNYS"

    @property
    def is_share(self) -> bool:
        """Tell whether it is a share, which may be sold short and be bought in parts."""
        return self.asset_class == US_EQUITY


def _equity(symbol: str, name: str, exchange: str, start: str, resembles: str = "") -> DemoInstrument:
    return DemoInstrument(symbol, name, exchange, Decimal(start), resembles)


def _crypto(symbol: str, name: str, start: str, tick: str, lot: str) -> DemoInstrument:
    return DemoInstrument(
        symbol,
        name,
        "CRYPTO",
        Decimal(start),
        asset_class="crypto",
        currency=symbol.partition("/")[2],
        tick=Decimal(tick),
        lot=Decimal(lot),
        calendar=ROUND_THE_CLOCK,
    )


DEMO_INSTRUMENTS = (
    _equity("AAPL", "Apple Inc.", "NASDAQ", "268.40", "AAPL"),
    _equity("AMZN", "Amazon.com, Inc.", "NASDAQ", "231.10"),
    _equity("GOOG", "Alphabet Inc. Class C", "NASDAQ", "284.20", "GOOG"),
    _equity("IBM", "International Business Machines Corp.", "NYSE", "304.70", "IBM"),
    _equity("JPM", "JPMorgan Chase & Co.", "NYSE", "308.90"),
    _equity("KO", "The Coca-Cola Company", "NYSE", "70.85"),
    _equity("META", "Meta Platforms, Inc.", "NASDAQ", "612.30", "FB"),
    _equity("MSFT", "Microsoft Corporation", "NASDAQ", "507.60", "MSFT"),
    _equity("NVDA", "NVIDIA Corporation", "NASDAQ", "188.20"),
    _equity("QQQ", "Nasdaq-100 index fund", "NASDAQ", "608.40", "MARKET"),
    _equity("SPY", "S&P 500 index fund", "ARCA", "672.50", "MARKET"),
    _equity("TSLA", "Tesla, Inc.", "NASDAQ", "404.80"),
    _crypto("BTC/USD", "Bitcoin", "94250", "0.01", "0.0001"),
    _crypto("ETH/USD", "Ether", "3125.40", "0.01", "0.0001"),
    _crypto("SOL/USD", "Solana", "141.35", "0.01", "0.0001"),
    _crypto("XRP/ETH", "XRP in ether", "0.00071240", "0.00000001", "1"),
)
