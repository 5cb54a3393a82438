"""The facts of a market: instruments, what a feed says, and the price that comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

Level = tuple[Decimal, Decimal]
"""A price and the size that stands there."""


class Interval(StrEnum):
    """How long a candle lasts."""

    MINUTE = "1m"
    FIVE_MINUTES = "5m"
    HOUR = "1h"
    DAY = "1d"

    @property
    def seconds(self) -> int:
        """Return the interval's length."""
        return _SECONDS[self]


_SECONDS = {Interval.MINUTE: 60, Interval.FIVE_MINUTES: 300, Interval.HOUR: 3600, Interval.DAY: 86400}


US_EQUITY, CRYPTO = "us_equity", "crypto"
LONGEST_SYMBOL = 24
MOST_SYMBOLS = 500
"""How many symbols one reader may follow."""
FRACTION = Decimal("0.000000001")
"""The least part of a share that a broker keeps books on."""
_ONE = Decimal(1)
_SUB_DOLLAR_TICK = Decimal("0.0001")


class Hours(StrEnum):
    """Which hours of a market an order is for: the regular session, also before and after it, or one auction."""

    REGULAR = "regular"
    EXTENDED = "extended"
    OPENING = "opening"
    CLOSING = "closing"


@dataclass(frozen=True, slots=True)
class InstrumentFacts:
    """Something that can be traded, and the grid its orders must lie on.

    `is_fractionable` lets some orders ask for less than a lot; `is_easy_to_borrow` needs no locate to be sold short.
    """

    id: UUID
    symbol: str
    name: str
    asset_class: str
    exchange: str
    currency: str
    tick_size: Decimal
    lot_size: Decimal
    calendar: str
    is_active: bool
    is_tradable: bool
    is_halted: bool
    is_shortable: bool
    is_easy_to_borrow: bool = False
    is_fractionable: bool = False

    @property
    def fraction(self) -> Decimal:
        """Return the least quantity that can be kept: of a fractionable share a part of it, else a lot."""
        return FRACTION if self.is_fractionable and self.lot_size >= _ONE else self.lot_size

    def tick_at(self, price: Decimal) -> Decimal:
        """Return the grid of a price: shares below a dollar are quoted to the hundredth of a cent (SEC Rule 612)."""
        if price < _ONE and self.asset_class == US_EQUITY:
            return min(self.tick_size, _SUB_DOLLAR_TICK)
        return self.tick_size


@dataclass(frozen=True, slots=True)
class Listing:
    """What never changes of an instrument: who it is, where it trades and in what money."""

    id: UUID
    symbol: str
    asset_class: str
    exchange: str
    currency: str


@dataclass(frozen=True, slots=True)
class Session:
    """A trading session: the current one when open, else the next one; None where none is known.

    `next_open_at` is the opening of the first session after the current one. `is_accepting` says whether an order
    for these hours may be given now; only an auction ever says no.
    """

    is_open: bool
    opens_at: datetime | None
    closes_at: datetime | None
    next_open_at: datetime | None
    is_accepting: bool = True


@dataclass(frozen=True, slots=True)
class TradingDay:
    """One day of a calendar and its session."""

    day: date
    opens_at: datetime
    closes_at: datetime


@dataclass(frozen=True, slots=True)
class LastClose:
    """The last known price, however old."""

    price: Decimal
    at: datetime


class FeedTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A trade as a feed tells it; `executed_at` is the market's own time, `side` the taker's."""

    symbol: str
    price: Decimal
    quantity: Decimal
    executed_at: datetime
    trade_id: str = ""
    side: str | None = None


class FeedQuote(msgspec.Struct, frozen=True, kw_only=True):
    """The best bid and ask; synthetic when made up around the last trade."""

    symbol: str
    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal
    quoted_at: datetime
    is_synthetic: bool = False


class FeedDepth(msgspec.Struct, frozen=True, kw_only=True):
    """The order book's levels, best first on either side."""

    symbol: str
    bids: list[Level]
    asks: list[Level]
    quoted_at: datetime


class FeedHeartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """A live feed's word that the standing quotes of these symbols still stand."""

    symbols: tuple[str, ...]
    at: datetime


class FeedRewind(msgspec.Struct, frozen=True, kw_only=True):
    """A recording starts over: what follows is older than what stands, and its candles are already stored."""

    symbol: str
    pass_number: int


FeedEvent = FeedTrade | FeedQuote | FeedDepth | FeedHeartbeat | FeedRewind


class PriceUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """The price of an instrument as the portal knows it; fresh for five seconds after `received_at`.

    `executed_at` is the last trade's time by the market's clock, `received_at` ours.
    """

    symbol: str
    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal
    last: Decimal
    last_size: Decimal
    executed_at: datetime
    received_at: datetime
    is_synthetic: bool
    is_open: bool
    previous_close: Decimal | None = None
    bids: list[Level] = []
    asks: list[Level] = []


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """Sum up the trades of one interval; `first_at` and `last_at` say which trades made open and close."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    notional: Decimal
    trade_count: int
    first_at: datetime
    last_at: datetime


class Candle(msgspec.Struct, frozen=True, kw_only=True):
    """A stored candle of one instrument and interval."""

    opened_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    notional: Decimal
    trade_count: int


class CandleMessage(msgspec.Struct, frozen=True):
    """A changed candle as it is published; `t` in seconds since 1970."""

    symbol: str
    interval: str
    t: int
    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741
    c: Decimal
    v: Decimal
