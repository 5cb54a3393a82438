"""Make up the candles that a simulated market would have left behind, each coarser one summing up finer ones.

Three days of minutes, before them hours for thirty days, before them days for 250: one path, ending where prices go on.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from marketdata.domain.candles import CandleKey, joined, opened_at
from marketdata.domain.types import Bar, InstrumentFacts, Interval
from marketdata.feeds.simulated import TRADES_PER_SECOND, TYPICAL_TRADE, dollars_per
from marketdata.feeds.walk import Walk, Walker, walkers
from marketdata.selectors import calendar_days
from trading_portal.kernel.money import to_tick

MINUTE_DAYS, HOUR_DAYS, DAYS = 3, 30, 250
COARSER = {
    Interval.MINUTE: (Interval.FIVE_MINUTES, Interval.HOUR, Interval.DAY),
    Interval.HOUR: (Interval.DAY,),
    Interval.DAY: (),
}

Step = tuple[Interval, datetime]


def history(
    instruments: Sequence[InstrumentFacts], ends: Mapping[str, Decimal], at: datetime, *, seed: int | None = None
) -> Iterator[tuple[str, dict[CandleKey, Bar]]]:
    """Yield each instrument's candles up to the running minute, its last close near `ends[symbol]`."""
    chance = random.Random(seed)  # noqa: S311  a market, not a secret
    walking = walkers(instruments)
    steps = _steps(at)
    shares = {instrument.symbol: _shares(instrument.calendar, steps) for instrument in instruments}
    walk = Walk(walking, chance)
    moves = [walk.step({symbol: found[number][0] for symbol, found in shares.items()}) for number in range(len(steps))]
    for instrument, walker in zip(instruments, walking, strict=True):
        symbol = instrument.symbol
        path = _path([move[symbol] for move in moves], float(ends[symbol]))
        finest = _bars(instrument, walker, steps, path, shares[symbol], chance)
        yield symbol, _all_intervals(symbol, finest)


def _steps(at: datetime) -> list[Step]:
    """Return when each finest candle opens, oldest first: days, then hours, then minutes."""
    now = opened_at(Interval.MINUTE, at)
    today = opened_at(Interval.DAY, at)
    bounds = [
        (Interval.DAY, today - timedelta(days=DAYS), today - timedelta(days=HOUR_DAYS)),
        (Interval.HOUR, today - timedelta(days=HOUR_DAYS), today - timedelta(days=MINUTE_DAYS)),
        (Interval.MINUTE, today - timedelta(days=MINUTE_DAYS), now),
    ]
    steps = []
    for interval, start, end in bounds:
        length = timedelta(seconds=interval.seconds)
        steps += [(interval, start + length * number) for number in range((end - start) // length)]
    return steps


def _shares(calendar: str, steps: Sequence[Step]) -> list[tuple[float, float]]:
    """Return for each step which share of a session it holds, and how many open seconds."""
    if not steps:
        return []
    days = calendar_days(calendar, steps[0][1].date(), steps[-1][1].date())
    by_day = {day.opens_at.date(): day for day in days}
    found = []
    for interval, opens in steps:
        day = by_day.get(opens.date())
        if day is None:
            found.append((0.0, 0.0))
            continue
        closes = opens + timedelta(seconds=interval.seconds)
        seconds = (min(closes, day.closes_at) - max(opens, day.opens_at)).total_seconds()
        length = (day.closes_at - day.opens_at).total_seconds()
        found.append((max(0.0, seconds) / length, max(0.0, seconds)))
    return found


def _path(moves: Sequence[float], end: float) -> list[float]:
    """Return the prices before and after each move, so that the last one is `end`."""
    path = [end]
    for move in reversed(moves):
        path.append(path[-1] / math.exp(move))
    return path[::-1]


def _bars(
    instrument: InstrumentFacts,
    walker: Walker,
    steps: Sequence[Step],
    path: Sequence[float],
    shares: Sequence[tuple[float, float]],
    chance: random.Random,
) -> Iterator[tuple[Interval, datetime, Bar]]:
    tick = float(instrument.tick_size)
    lots = TYPICAL_TRADE.get(instrument.asset_class, 10_000.0) / float(instrument.lot_size)
    lots /= path[-1] * dollars_per(instrument.currency)
    for number, (interval, opens) in enumerate(steps):
        share, seconds = shares[number]
        if seconds <= 0:
            continue
        first, last = path[number], path[number + 1]
        variance = walker.volatility**2 * share
        high = first * math.exp(_extreme(math.log(last / first), variance, chance))
        low = first * math.exp(-_extreme(-math.log(last / first), variance, chance))
        count = max(1, round(seconds * TRADES_PER_SECOND * chance.lognormvariate(0.0, 0.3)))
        volume = max(1, round(count * lots * 0.4 * chance.lognormvariate(0.1, 0.3))) * instrument.lot_size
        open_, high_, low_, close = (
            to_tick(Decimal(max(price, tick)), tick=instrument.tick_size) for price in (first, high, low, last)
        )
        yield (
            interval,
            opens,
            Bar(
                open=open_,
                high=high_,
                low=low_,
                close=close,
                volume=volume,
                notional=volume * (open_ + high_ + low_ + close) / 4,
                trade_count=count,
                first_at=opens,
                last_at=opens,
            ),
        )


def _extreme(move: float, variance: float, chance: random.Random) -> float:
    """Return the highest point of a Brownian bridge from 0 to `move`."""
    return (move + math.sqrt(move * move - 2 * variance * math.log(1 - chance.random()))) / 2


def _all_intervals(symbol: str, finest: Iterator[tuple[Interval, datetime, Bar]]) -> dict[CandleKey, Bar]:
    candles: dict[CandleKey, Bar] = {}
    for interval, opens, bar in finest:
        candles[CandleKey(symbol, interval, opens)] = bar
        for coarser in COARSER[interval]:
            key = CandleKey(symbol, coarser, opened_at(coarser, opens))
            candles[key] = joined(candles[key], bar) if key in candles else bar
    return candles
