"""A simulated market: correlated prices with spread, depth, trades and sessions."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from marketdata.domain.demo import DEMO_INSTRUMENTS
from marketdata.domain.types import (
    FeedDepth,
    FeedEvent,
    FeedHeartbeat,
    FeedQuote,
    FeedTrade,
    InstrumentFacts,
    Level,
)
from marketdata.feeds.walk import Walk, Walker, walkers
from marketdata.selectors import session_at
from trading_portal.kernel.money import to_tick

LEVELS = 8
QUOTES_PER_SECOND = 2.5
TRADES_PER_SECOND = 0.9
HEARTBEAT = timedelta(seconds=1)
LONGEST_STEP_SECONDS = 5.0
TYPICAL_TRADE = {"us_equity": 40_000.0, "crypto": 15_000.0}
UNKNOWN_START = Decimal(100)

_STARTS = {demo.symbol: demo.start for demo in DEMO_INSTRUMENTS}


def starting_price(instrument: InstrumentFacts, last: Decimal | None) -> Decimal:
    """Return where a simulated price goes on: the last known one, else the demo's, else a round hundred."""
    return last or _STARTS.get(instrument.symbol, UNKNOWN_START)


@dataclass(slots=True)
class _Book:
    """The state of one simulated instrument; floats inside, exact numbers come out on the instrument's grid."""

    instrument: InstrumentFacts
    walker: Walker
    middle: float
    level_lots: float
    last_at: datetime | None = None
    quote: FeedQuote | None = None

    def top(self, at: datetime, chance: random.Random) -> FeedQuote:
        """Return the best bid and ask around the middle, at least a tick apart."""
        tick = self.instrument.tick_size
        half = self.middle * self.walker.behaviour.spread / 2
        bid = max(to_tick(Decimal(self.middle - half), tick=tick, rounding=ROUND_FLOOR), tick)
        ask = to_tick(Decimal(self.middle + half), tick=tick, rounding=ROUND_CEILING)
        return FeedQuote(
            symbol=self.instrument.symbol,
            bid=bid,
            ask=max(ask, bid + tick),
            bid_size=self.size(chance),
            ask_size=self.size(chance),
            quoted_at=at,
        )

    def size(self, chance: random.Random, times: float = 1.0) -> Decimal:
        """Return a random size, in whole lots, at least one."""
        lots = max(1, round(self.level_lots * times * chance.lognormvariate(0.0, 0.6)))
        return lots * self.instrument.lot_size

    def depth(self, quote: FeedQuote, chance: random.Random) -> FeedDepth:
        """Return levels that grow away from the middle, each step about half a spread."""
        step = max(1, round(float((quote.ask - quote.bid) / self.instrument.tick_size) / 2)) * self.instrument.tick_size
        bids: list[Level] = [(quote.bid, quote.bid_size)]
        asks: list[Level] = [(quote.ask, quote.ask_size)]
        for level in range(1, LEVELS):
            size = 1 + level / 3
            if quote.bid - step * level > 0:
                bids.append((quote.bid - step * level, self.size(chance, size)))
            asks.append((quote.ask + step * level, self.size(chance, size)))
        return FeedDepth(symbol=self.instrument.symbol, bids=bids, asks=asks, quoted_at=quote.quoted_at)


class SimulatedFeed:
    """Walk every instrument's price on from where it was last seen."""

    name = "simulated"

    def __init__(
        self,
        instruments: Sequence[InstrumentFacts],
        lasts: Mapping[str, Decimal] | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        self.symbols = tuple(instrument.symbol for instrument in instruments)
        self._chance = random.Random(seed)  # noqa: S311  a market, not a secret
        self._books = {}
        for instrument, walker in zip(instruments, walkers(instruments), strict=True):
            middle = float(starting_price(instrument, (lasts or {}).get(instrument.symbol)))
            lots = TYPICAL_TRADE.get(instrument.asset_class, 10_000.0) / float(instrument.lot_size)
            worth = middle * dollars_per(instrument.currency)
            self._books[instrument.symbol] = _Book(instrument, walker, middle, lots / worth)
        self._walk = Walk([book.walker for book in self._books.values()], self._chance)
        self._confirmed_at: datetime | None = None
        self._traded = 0

    def start(self, at: datetime) -> None:
        """Begin at an instant."""
        for book in self._books.values():
            book.last_at = at
        self._confirmed_at = None

    def stop(self) -> None:
        """End; nothing is held."""

    def poll(self, at: datetime) -> Sequence[FeedEvent]:
        """Walk on to an instant; return the quotes, books and trades on the way."""
        events: list[FeedEvent] = []
        seconds = self._seconds_passed(at)
        moves = self._walk.step({symbol: share for symbol, (share, _) in seconds.items()})
        for symbol, book in self._books.items():
            book.middle = max(book.middle * math.exp(moves[symbol]), float(book.instrument.tick_size))
            share, passed = seconds[symbol]
            if book.quote is None or (share > 0 and self._chance.random() < QUOTES_PER_SECOND * passed):
                book.quote = book.top(at, self._chance)
                events += [book.quote, book.depth(book.quote, self._chance)]
            if share > 0:
                events += self._trades(book, book.quote, passed, at)
        if self._confirmed_at is None or abs(at - self._confirmed_at) >= HEARTBEAT:
            self._confirmed_at = at
            events.append(FeedHeartbeat(symbols=self.symbols, at=at))
        return events

    def _seconds_passed(self, at: datetime) -> dict[str, tuple[float, float]]:
        """Return for each symbol the share of its session and the seconds that passed; none while it is closed."""
        found = {}
        for symbol, book in self._books.items():
            session = session_at(book.instrument, at)
            passed = 0.0 if book.last_at is None else (at - book.last_at).total_seconds()
            passed = min(max(passed, 0.0), LONGEST_STEP_SECONDS)
            book.last_at = at
            if session.is_open and session.opens_at and session.closes_at:
                length = (session.closes_at - session.opens_at).total_seconds()
                found[symbol] = (passed / length, passed)
            else:
                found[symbol] = (0.0, 0.0)
        return found

    def _trades(self, book: _Book, quote: FeedQuote, passed: float, at: datetime) -> list[FeedEvent]:
        trades: list[FeedEvent] = []
        while self._chance.random() < min(0.6, TRADES_PER_SECOND * passed):
            is_buy = self._chance.random() < 0.5
            self._traded += 1
            trades.append(
                FeedTrade(
                    symbol=book.instrument.symbol,
                    price=quote.ask if is_buy else quote.bid,
                    quantity=book.size(self._chance, 0.4),
                    executed_at=at,
                    trade_id=f"{at.timestamp():.3f}-{self._traded}",
                    side="buy" if is_buy else "sell",
                )
            )
        return trades


def dollars_per(currency: str) -> float:
    """Return about how many dollars a unit of a quote currency is worth, to give sizes a sensible scale."""
    return float(_STARTS.get(f"{currency}/USD", Decimal(1)))
