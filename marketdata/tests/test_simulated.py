"""The simulated market: believable, on the grid, closed when its sessions are."""

from __future__ import annotations

import math
import random
import statistics
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from marketdata.domain.candles import CandleKey, joined, opened_at
from marketdata.domain.demo import DEMO_INSTRUMENTS
from marketdata.domain.normaliser import Standing
from marketdata.domain.types import (
    Bar,
    FeedDepth,
    FeedEvent,
    FeedHeartbeat,
    FeedQuote,
    FeedTrade,
    InstrumentFacts,
    Interval,
)
from marketdata.feeds.calibration import SERIES, calibrate
from marketdata.feeds.history import history
from marketdata.feeds.protocol import FeedAdapter
from marketdata.feeds.recording import Recording
from marketdata.feeds.replay import ReplayFeed
from marketdata.feeds.simulated import SimulatedFeed, starting_price
from marketdata.feeds.walk import Walk, walkers
from marketdata.tests.support import AT, facts
from trading_portal.kernel.errors import Reason
from trading_portal.kernel.money import is_multiple

TURN = timedelta(seconds=0.25)
OPEN = datetime(2026, 11, 20, 15, tzinfo=UTC)


def demo(*symbols: str) -> list[InstrumentFacts]:
    return [
        facts(
            symbol=one.symbol,
            asset_class=one.asset_class,
            currency=one.currency,
            tick_size=one.tick,
            lot_size=one.lot,
            calendar=one.calendar,
        )
        for one in DEMO_INSTRUMENTS
        if not symbols or one.symbol in symbols
    ]


def played(feed: FeedAdapter, turns: int, at: datetime = OPEN) -> list[FeedEvent]:
    feed.start(at)
    return [event for turn in range(1, turns + 1) for event in feed.poll(at + TURN * turn)]


def test_calibration_finds_what_the_real_bars_say() -> None:
    known = calibrate()
    assert 0.005 < known.market_volatility < 0.03
    assert statistics.fmean(known.series[name].beta for name in SERIES) == pytest.approx(1.0)
    assert known.series["IBM"].beta < known.series["AAPL"].beta
    assert known.series["IBM"].own_volatility < known.series["AAPL"].own_volatility
    assert known.crypto().own_volatility > known.average.own_volatility


def test_walks_have_the_calibrated_volatility_and_move_together() -> None:
    walking = walkers(demo("AAPL", "MSFT", "BTC/USD"))
    walk = Walk(walking, random.Random(7))
    share = 1 / 100
    moves = [walk.step({one.symbol: share for one in walking}) for _ in range(20_000)]
    for one in walking:
        seen = statistics.stdev(move[one.symbol] for move in moves) / math.sqrt(share)
        assert seen == pytest.approx(one.volatility, rel=0.03)
    aapl, msft, btc = ([move[one] for move in moves] for one in ("AAPL", "MSFT", "BTC/USD"))
    assert statistics.correlation(aapl, msft) > 0.5
    assert 0.05 < statistics.correlation(aapl, btc) < statistics.correlation(aapl, msft)


def test_every_event_lies_on_the_grid_and_passes_the_normaliser() -> None:
    instruments = {one.symbol: one for one in demo()}
    standing = {symbol: Standing(symbol) for symbol in instruments}
    for event in played(SimulatedFeed(list(instruments.values()), seed=3), 60):
        if isinstance(event, FeedHeartbeat):
            continue
        tick, lot = instruments[event.symbol].tick_size, instruments[event.symbol].lot_size
        assert not isinstance(standing[event.symbol].fold(event, OPEN), Reason)
        if isinstance(event, FeedQuote):
            assert event.bid < event.ask
            assert all(is_multiple(price, tick) for price in (event.bid, event.ask))
            assert all(is_multiple(size, lot) and size > 0 for size in (event.bid_size, event.ask_size))
        if isinstance(event, FeedDepth):
            assert 5 <= len(event.asks) <= 10
    prices = [found.price() for found in standing.values()]
    assert all(price is not None and not price.is_synthetic for price in prices)
    assert all(price.bids[0][0] == price.bid and price.asks[0][0] == price.ask for price in prices if price)


def test_every_symbol_trades_and_quotes_several_times_a_second() -> None:
    events = played(SimulatedFeed(demo("AAPL", "BTC/USD"), seed=4), 400)
    for symbol in ("AAPL", "BTC/USD"):
        mine = [event for event in events if not isinstance(event, FeedHeartbeat) and event.symbol == symbol]
        assert sum(isinstance(event, FeedQuote) for event in mine) > 150
        assert 50 < sum(isinstance(event, FeedTrade) for event in mine) < 400


def test_it_goes_on_from_the_last_known_price_without_a_jump() -> None:
    for last in ("123.45", "9876.5"):
        quote = next(e for e in played(SimulatedFeed(demo("AAPL"), {"AAPL": Decimal(last)}), 1))
        assert isinstance(quote, FeedQuote)
        assert abs(quote.bid / Decimal(last) - 1) < Decimal("0.001")


def test_a_long_silence_moves_the_price_no_further_than_a_few_seconds_would() -> None:
    feed = SimulatedFeed(demo("AAPL"), {"AAPL": Decimal(100)}, seed=5)
    feed.start(OPEN)
    quotes = [e for e in feed.poll(OPEN + timedelta(days=30)) if isinstance(e, FeedQuote)]
    assert abs(quotes[0].bid / 100 - 1) < Decimal("0.002")


def test_in_real_sessions_a_closed_market_neither_trades_nor_moves_but_its_quote_stands(settings: Any) -> None:
    settings.SIMULATED_SESSIONS = "real"
    night = datetime(2026, 11, 20, 3, tzinfo=UTC)
    events = played(SimulatedFeed(demo("AAPL", "BTC/USD"), seed=6), 80, night)
    mine = [event for event in events if not isinstance(event, FeedHeartbeat) and event.symbol == "AAPL"]
    assert [type(event) for event in mine] == [FeedQuote, FeedDepth]
    assert any(isinstance(event, FeedTrade) and event.symbol == "BTC/USD" for event in events)
    assert sum(isinstance(event, FeedHeartbeat) and "AAPL" in event.symbols for event in events) >= 19


@pytest.mark.parametrize("sessions", ["always", "real"])
def test_the_made_up_past_is_consistent_and_ends_where_prices_go_on(settings: Any, sessions: str) -> None:
    settings.SIMULATED_SESSIONS = sessions
    instruments = demo("AAPL", "BTC/USD")
    ends = {one.symbol: starting_price(one, None) for one in instruments}
    at = datetime(2026, 11, 20, 16, 7, 30, tzinfo=UTC)
    for symbol, bars in history(instruments, ends, at, seed=1):
        newest = max((key for key in bars if key.interval is Interval.MINUTE), key=lambda key: key.opened_at)
        assert bars[newest].close == ends[symbol]
        assert newest.opened_at == datetime(2026, 11, 20, 16, 6, tzinfo=UTC)
        hours: dict[datetime, Bar] = {}
        for key, bar in sorted(bars.items(), key=lambda item: item[0].opened_at):
            assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
            assert bar.volume > 0
            if key.interval is Interval.MINUTE:
                hour = opened_at(Interval.HOUR, key.opened_at)
                hours[hour] = joined(hours[hour], bar) if hour in hours else bar
        assert all(bars[CandleKey(symbol, Interval.HOUR, hour)] == bar for hour, bar in hours.items())
        days = [key.opened_at for key in bars if key.interval is Interval.DAY]
        is_round_the_clock = sessions == "always" or symbol == "BTC/USD"
        assert any(day.weekday() >= 5 for day in days) is is_round_the_clock


def _replay(tmp_path: Path) -> ReplayFeed:
    path = tmp_path / "t.csv"
    path.write_text("time,price,quantity\n2020-01-01T00:00:00Z,10,1\n2020-01-01T00:00:01Z,11,1\n")
    return ReplayFeed(facts(symbol="X"), Recording("X", path), speed=Decimal(1), spread_bps=Decimal(10), is_looped=True)


@pytest.mark.parametrize("kind", ["simulated", "replay"])
def test_every_feed_keeps_the_contract(kind: str, tmp_path: Path) -> None:
    feed: FeedAdapter = _replay(tmp_path) if kind == "replay" else SimulatedFeed(demo("AAPL"), seed=8)
    events = played(feed, 40, AT)
    assert feed.name == kind
    named = {one for e in events for one in (e.symbols if isinstance(e, FeedHeartbeat) else (e.symbol,))}
    assert named == set(feed.symbols)
    confirmed = [event.at for event in events if isinstance(event, FeedHeartbeat)]
    assert all(later - earlier <= timedelta(seconds=2) for earlier, later in pairwise(confirmed))
    standing = Standing(feed.symbols[0])
    for event in events:
        assert not isinstance(standing.fold(event, AT), Reason)
    assert standing.price() is not None
    feed.stop()
    feed.stop()
