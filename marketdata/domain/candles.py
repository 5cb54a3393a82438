"""Add trades up into candles, one trade at a time, in any order of arrival."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from marketdata.domain.types import Bar, FeedTrade, Interval

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CandleKey:
    """Name one candle."""

    symbol: str
    interval: Interval
    opened_at: datetime


def opened_at(interval: Interval, at: datetime) -> datetime:
    """Return when the interval that holds an instant began; days are UTC days."""
    return EPOCH + timedelta(seconds=(at - EPOCH) // timedelta(seconds=1) // interval.seconds * interval.seconds)


def bar_of(trade: FeedTrade) -> Bar:
    """Return the bar of a single trade."""
    return Bar(
        open=trade.price,
        high=trade.price,
        low=trade.price,
        close=trade.price,
        volume=trade.quantity,
        notional=trade.price * trade.quantity,
        trade_count=1,
        first_at=trade.executed_at,
        last_at=trade.executed_at,
    )


def joined(earlier: Bar, later: Bar) -> Bar:
    """Return the sum of two bars of one interval; where trades are of the same instant, arrival decides."""
    opens = later if later.first_at < earlier.first_at else earlier
    closes = later if later.last_at >= earlier.last_at else earlier
    return Bar(
        open=opens.open,
        high=max(earlier.high, later.high),
        low=min(earlier.low, later.low),
        close=closes.close,
        volume=earlier.volume + later.volume,
        notional=earlier.notional + later.notional,
        trade_count=earlier.trade_count + later.trade_count,
        first_at=opens.first_at,
        last_at=closes.last_at,
    )


class CandleBuilder:
    """Gather what trades add to candles since it was last emptied."""

    def __init__(self) -> None:
        self._bars: dict[CandleKey, Bar] = {}

    def add(self, trades: Iterable[FeedTrade]) -> None:
        """Add trades to every interval they fall in."""
        for trade in trades:
            bar = bar_of(trade)
            for interval in Interval:
                self.join(CandleKey(trade.symbol, interval, opened_at(interval, trade.executed_at)), bar)

    def join(self, key: CandleKey, later: Bar) -> None:
        """Add a bar that arrived after what is there."""
        earlier = self._bars.get(key)
        self._bars[key] = later if earlier is None else joined(earlier, later)

    def join_before(self, key: CandleKey, earlier: Bar) -> None:
        """Add a bar that arrived before what is there."""
        later = self._bars.get(key)
        self._bars[key] = earlier if later is None else joined(earlier, later)

    def forget(self, symbol: str) -> None:
        """Drop what was gathered for a symbol."""
        self._bars = {key: bar for key, bar in self._bars.items() if key.symbol != symbol}

    def take(self) -> dict[CandleKey, Bar]:
        """Return what was gathered, and begin anew."""
        taken, self._bars = self._bars, {}
        return taken
