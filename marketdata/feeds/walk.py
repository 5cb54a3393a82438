"""Random steps that belong together: one factor a market, and each price's own."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from marketdata.domain.demo import DEMO_INSTRUMENTS
from marketdata.domain.types import InstrumentFacts
from marketdata.feeds.calibration import Behaviour, calibrate

MARKETS_CORRELATION = 0.3

_RESEMBLES = {demo.symbol: demo.resembles for demo in DEMO_INSTRUMENTS}


@dataclass(frozen=True, slots=True)
class Walker:
    """One price that walks."""

    symbol: str
    market: str
    behaviour: Behaviour
    volatility: float


def walkers(instruments: Sequence[InstrumentFacts]) -> list[Walker]:
    """Return how each instrument walks."""
    known = calibrate()
    found = []
    for instrument in instruments:
        is_crypto = instrument.asset_class == "crypto"
        behaviour = known.crypto() if is_crypto else known.equity(_RESEMBLES.get(instrument.symbol, ""))
        volatility = math.hypot(behaviour.beta * known.market_volatility, behaviour.own_volatility)
        found.append(Walker(instrument.symbol, instrument.asset_class, behaviour, volatility))
    return found


class Walk:
    """Draw correlated log returns for a share of a session each."""

    def __init__(self, walking: Sequence[Walker], chance: random.Random) -> None:
        self._walkers = walking
        self._chance = chance
        self._market_volatility = calibrate().market_volatility

    def step(self, shares: Mapping[str, float]) -> dict[str, float]:
        """Return a log return for each symbol; `shares` says how much of its session passes (0: it stands still)."""
        gauss = self._chance.gauss
        common = gauss(0.0, 1.0)
        factors: dict[str, float] = {}
        own_part = math.sqrt(1 - MARKETS_CORRELATION)
        moves = {}
        for walker in self._walkers:
            share = shares.get(walker.symbol, 0.0)
            if share <= 0:
                moves[walker.symbol] = 0.0
                continue
            factor = factors.get(walker.market)
            if factor is None:
                factor = math.sqrt(MARKETS_CORRELATION) * common + own_part * gauss(0.0, 1.0)
                factors[walker.market] = factor
            behaviour = walker.behaviour
            drawn = behaviour.beta * self._market_volatility * factor + behaviour.own_volatility * gauss(0.0, 1.0)
            moves[walker.symbol] = drawn * math.sqrt(share) - walker.volatility**2 * share / 2
        return moves
