"""Learn from real daily bars how prices move, alone and together.

Source: the package bokeh-sampledata, public-domain daily prices of AAPL, FB, GOOG, IBM and MSFT up to 2013.
The model is one factor a market: return = beta * market + own; what has no series of its own gets its class's average.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from bokeh_sampledata import stocks

SERIES = ("AAPL", "GOOG", "IBM", "MSFT")
YOUNG_SERIES = ("FB",)
MARKET = "MARKET"
SESSIONS = 750
CRYPTO_FACTOR = 2.2
FUND_OWN_SHARE = 0.15
SPREAD_SHARE = 0.01
"""A spread as a share of a day's volatility: about two basis points for a large equity."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How one price moves: all numbers are of log returns per session."""

    beta: float
    own_volatility: float
    spread: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the bars say: the market's volatility, and each series' behaviour beside it."""

    market_volatility: float
    series: Mapping[str, Behaviour]
    average: Behaviour

    def equity(self, resembles: str) -> Behaviour:
        """Return the behaviour of an equity: its own series, the market itself, or the average."""
        if resembles == MARKET:
            own = self.average.own_volatility * FUND_OWN_SHARE
            return _behaviour(1.0, own, self.market_volatility)
        return self.series.get(resembles, self.average)

    def crypto(self) -> Behaviour:
        """Return the behaviour of a coin: an average equity's, as much wilder as coins are."""
        return _behaviour(
            self.average.beta * CRYPTO_FACTOR, self.average.own_volatility * CRYPTO_FACTOR, self.market_volatility
        )


def _behaviour(beta: float, own: float, market: float) -> Behaviour:
    return Behaviour(beta, own, SPREAD_SHARE * math.hypot(beta * market, own))


@cache
def calibrate() -> Calibration:
    """Return the calibration, from the bars' last few years."""
    returns = {name: _returns(getattr(stocks, name)) for name in (*SERIES, *YOUNG_SERIES)}
    days = sorted(set.intersection(*(set(returns[name]) for name in SERIES)))[-SESSIONS:]
    market = {day: statistics.fmean(returns[name][day] for name in SERIES) for day in days}
    market_volatility = statistics.stdev(market.values())
    series = {name: _beside(returns[name], market, market_volatility) for name in returns}
    average = _behaviour(
        statistics.fmean(series[name].beta for name in SERIES),
        statistics.fmean(series[name].own_volatility for name in SERIES),
        market_volatility,
    )
    return Calibration(market_volatility, series, average)


def _returns(bars: Mapping[str, Sequence[Any]]) -> dict[str, float]:
    closes = [float(close) for close in bars["adj_close"]]
    days = [str(day) for day in bars["date"]]
    pairs = zip(days[1:], closes[1:], closes[:-1], strict=True)
    return {day: math.log(close / before) for day, close, before in pairs if close > 0 and before > 0}


def _beside(returns: Mapping[str, float], market: Mapping[str, float], market_volatility: float) -> Behaviour:
    days = [day for day in market if day in returns]
    own = [returns[day] for day in days]
    all_ = [market[day] for day in days]
    beta = statistics.covariance(own, all_) / statistics.variance(all_)
    rest = [mine - beta * theirs for mine, theirs in zip(own, all_, strict=True)]
    return _behaviour(beta, statistics.stdev(rest), market_volatility)
