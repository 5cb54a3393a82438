"""See what each venue displays now."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from marketdata.domain.types import PriceUpdate
from marketdata.selectors import candles_list, instruments_by_symbol
from orders.brokers.paper.market import Market
from orders.brokers.paper.profile import PaperProfile
from orders.domain.routing import VenueView
from positions.domain.types import Side
from trading_portal.kernel.money import ZERO

STALE_AFTER = timedelta(seconds=5)
PART = timedelta(minutes=5)
DAYS_BACK = 7
MOST_PARTS = 300
Levels = Sequence[tuple[Decimal, Decimal]]


class Views(Protocol):
    """What a router sees of its venues."""

    def lots(self, symbols: Collection[str], at: datetime) -> Mapping[str, Decimal]:
        """Return the lot of each symbol; an unknown one is left out."""
        ...

    def views(self, symbol: str, side: Side, at: datetime) -> Sequence[VenueView]:
        """Return what each venue displays to whom buys or sells."""
        ...

    def volumes(self, symbol: str, starts_at: datetime, ends_at: datetime) -> Sequence[Decimal]:
        """Return what is usually traded in equal parts of this time, first to last; nothing where nobody knows."""
        ...


class PaperViews:
    """See paper venues: each displays its share of the market's depth, some ticks away, for a fee of its own."""

    def __init__(self, profiles: Mapping[str, PaperProfile], market: Market) -> None:
        self._profiles = profiles
        self._market = market

    def lots(self, symbols: Collection[str], at: datetime) -> Mapping[str, Decimal]:
        """Return the lot of each symbol; an unknown one is left out."""
        return {symbol: listing.lot for symbol, listing in self._market.listings(symbols, at).items()}

    def views(self, symbol: str, side: Side, at: datetime) -> Sequence[VenueView]:
        """Return what each venue displays to whom buys or sells; nothing while the price is old."""
        price = self._market.quotes([symbol]).get(symbol)
        listing = self._market.listings([symbol], at).get(symbol)
        bids, asks = _depth(price, at) if price else ((), ())
        found = []
        for venue, profile in self._profiles.items():
            shown: tuple[Levels, Levels] = ((), ())
            if listing:
                shown = profile.displayed(bids, asks, tick=listing.tick, lot=listing.lot)
            levels = shown[1] if side is Side.BUY else shown[0]
            found.append(
                VenueView(
                    venue=venue,
                    levels=tuple((each[0], each[1]) for each in levels),
                    fee_rate=profile.fee_rate,
                    fee_per_unit=profile.fee_per_unit,
                )
            )
        return found

    def volumes(self, symbol: str, starts_at: datetime, ends_at: datetime) -> Sequence[Decimal]:
        """Return what was traded in the same time a day before, or on the last day that had any, by five minutes."""
        instrument = instruments_by_symbol([symbol]).get(symbol)
        if instrument is None:
            return ()
        for days in range(1, DAYS_BACK + 1):
            first, last = starts_at - timedelta(days=days), ends_at - timedelta(days=days)
            candles = {c.opened_at: c.volume for c in candles_list(instrument.id, "5m", first - PART, last, MOST_PARTS)}
            if any(candles.values()):
                opens = [first + PART * number for number in range(max(int((last - first) / PART), 1))]
                return [_volume_at(candles, opened_at) for opened_at in opens]
        return ()


def _volume_at(candles: Mapping[datetime, Decimal], at: datetime) -> Decimal:
    return sum((volume for opened_at, volume in candles.items() if opened_at <= at < opened_at + PART), ZERO)


def _depth(price: PriceUpdate, at: datetime) -> tuple[Levels, Levels]:
    if at - price.received_at > STALE_AFTER:
        return (), ()
    bids = price.bids or ([(price.bid, price.bid_size or ZERO)] if price.bid else [])
    asks = price.asks or ([(price.ask, price.ask_size or ZERO)] if price.ask else [])
    return bids, asks
