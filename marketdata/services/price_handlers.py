"""What is done with each turn of prices: four handlers, none of which can hold up another."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from marketdata.domain import channels
from marketdata.domain.candles import CandleBuilder, CandleKey, joined
from marketdata.domain.types import Bar, CandleMessage, FeedTrade, PriceUpdate
from marketdata.services.candles import candles_load, candles_store
from marketdata.services.quotes import (
    candles_fan_out,
    prices_fan_out,
    prices_publish_latest,
    quotes_store,
    redis_client,
)
from trading_portal.kernel import clock

OPEN_CANDLES_KEPT = 2


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of the feeds brought: the prices it changed, its trades in order, recordings that start over."""

    prices: Sequence[PriceUpdate] = ()
    trades: Sequence[FeedTrade] = ()
    rewound: frozenset[str] = field(default_factory=frozenset)


class Handler(Protocol):
    """Take turns quickly on the feed's thread, write them on a thread of its own."""

    name: str
    seconds: float
    has_work: threading.Event

    def offer(self, turn: Turn) -> None:
        """Keep what a turn brought and set `has_work`; never wait."""
        ...

    def write(self) -> None:
        """Write what was kept; when it raises, nothing is lost and it is called again."""
        ...


class _LatestPrices:
    """Keep the latest price of each symbol until it is written."""

    def __init__(self) -> None:
        self.has_work = threading.Event()
        self._lock = threading.Lock()
        self._waiting: dict[str, PriceUpdate] = {}

    def offer(self, turn: Turn) -> None:
        """Keep the turn's prices in place of older ones."""
        with self._lock:
            for update in turn.prices:
                self._waiting[update.symbol] = update
        self.has_work.set()

    def _take(self) -> list[PriceUpdate]:
        with self._lock:
            taken, self._waiting = self._waiting, {}
            return list(taken.values())

    def _give_back(self, updates: Sequence[PriceUpdate]) -> None:
        with self._lock:
            for update in updates:
                self._waiting.setdefault(update.symbol, update)


class LastPrices(_LatestPrices):
    """Write fresh prices to Redis."""

    name, seconds = "last_prices", 0.05

    def __init__(self) -> None:
        super().__init__()
        self._redis = redis_client()

    def write(self) -> None:
        """Write each, unless it is stale by now."""
        updates = self._take()
        try:
            prices_publish_latest(client=self._redis, updates=updates, at=clock.now())
        except BaseException:
            self._give_back(updates)
            raise


class FanOut(_LatestPrices):
    """Publish changed prices to the hubs, at most ten times a second; and candles as they are stored."""

    name, seconds = "fan_out", 0.1

    def __init__(self) -> None:
        super().__init__()
        self._redis = redis_client()
        self._candles: dict[tuple[str, str, int], CandleMessage] = {}

    def offer_candles(self, candles: Sequence[CandleMessage]) -> None:
        """Keep changed candles until they are published."""
        with self._lock:
            for candle in candles:
                self._candles[(candle.symbol, candle.interval, candle.t)] = candle
        self.has_work.set()

    def write(self) -> None:
        """Publish what changed; what nobody could hear for five seconds is history."""
        oldest = clock.now() - timedelta(seconds=channels.FRESH_SECONDS)
        updates = [update for update in self._take() if update.received_at > oldest]
        with self._lock:
            candles, self._candles = self._candles, {}
        try:
            if updates:
                prices_fan_out(client=self._redis, updates=updates)
            if candles:
                candles_fan_out(client=self._redis, candles=candles.values())
        except BaseException:
            self._give_back(updates)
            with self._lock:
                self._candles = candles | self._candles
            raise


class QuoteRows(_LatestPrices):
    """Keep the last known price of each instrument in the database."""

    name, seconds = "quote_rows", 1.0

    def __init__(self, ids: Mapping[str, UUID]) -> None:
        super().__init__()
        self._ids = ids

    def write(self) -> None:
        """Write what changed."""
        updates = self._take()
        try:
            quotes_store(updates=updates, ids=self._ids)
        except BaseException:
            self._give_back(updates)
            raise


class Candles:
    """Add trades up into stored candles, going on where an earlier process stopped."""

    name, seconds = "candles", 1.0

    def __init__(self, ids: Mapping[str, UUID], fan_out: FanOut) -> None:
        self.has_work = threading.Event()
        self._ids = ids
        self._fan_out = fan_out
        self._lock = threading.Lock()
        self._builder = CandleBuilder()
        self._complete: set[str] = set()
        self._bars: dict[CandleKey, Bar] = {}
        self._unsaved: set[CandleKey] = set()

    def offer(self, turn: Turn) -> None:
        """Add the turn's trades; those of a recording's later passes are the same trades again."""
        with self._lock:
            self._complete |= turn.rewound
            self._builder.add(trade for trade in turn.trades if trade.symbol not in self._complete)
        self.has_work.set()

    def write(self) -> None:
        """Store the candles that changed, whole, so that writing twice does no harm; then publish them."""
        self._join_fresh()
        changed = {key: self._bars[key] for key in self._unsaved}
        candles_store(bars=changed, ids=self._ids)
        self._unsaved.clear()
        self._forget_old()
        self._fan_out.offer_candles([_message(key, bar) for key, bar in changed.items()])

    def _join_fresh(self) -> None:
        with self._lock:
            fresh = self._builder.take()
        try:
            stored = candles_load(keys=[key for key in fresh if key not in self._bars], ids=self._ids)
        except BaseException:
            with self._lock:
                for key, bar in fresh.items():
                    self._builder.join_before(key, bar)
            raise
        for key, bar in fresh.items():
            before = self._bars.get(key) or stored.get(key)
            self._bars[key] = bar if before is None else joined(before, bar)
            self._unsaved.add(key)

    def _forget_old(self) -> None:
        """Keep the newest candles of each series in memory; older ones are loaded again should a late trade come."""
        newest: dict[tuple[str, str], list[CandleKey]] = {}
        for key in self._bars:
            newest.setdefault((key.symbol, key.interval), []).append(key)
        for series in newest.values():
            series.sort(key=lambda key: key.opened_at)
            for key in series[:-OPEN_CANDLES_KEPT]:
                del self._bars[key]


def _message(key: CandleKey, bar: Bar) -> CandleMessage:
    opened = int(key.opened_at.timestamp())
    return CandleMessage(key.symbol, key.interval.value, opened, bar.open, bar.high, bar.low, bar.close, bar.volume)
