"""Candles, as pure sums of trades."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.candles import Bar, CandleBuilder, CandleKey, opened_at
from marketdata.domain.types import FeedTrade, Interval
from marketdata.tests.support import AT, trade


def bars(*trades: FeedTrade) -> dict[CandleKey, Bar]:
    builder = CandleBuilder()
    builder.add(trades)
    return builder.take()


def test_a_candle_opens_at_the_start_of_its_interval() -> None:
    moment = datetime(2026, 3, 4, 15, 58, 59, 999999, tzinfo=UTC)
    assert [opened_at(interval, moment) for interval in Interval] == [
        datetime(2026, 3, 4, 15, 58, tzinfo=UTC),
        datetime(2026, 3, 4, 15, 55, tzinfo=UTC),
        datetime(2026, 3, 4, 15, 0, tzinfo=UTC),
        datetime(2026, 3, 4, 0, 0, tzinfo=UTC),
    ]


def test_a_candle_sums_up_its_trades() -> None:
    found = bars(trade("X", "10", "2"), trade("X", "12", "1"), trade("X", "9", "3"), trade("X", "11", "4"))
    bar = found[CandleKey("X", Interval.MINUTE, opened_at(Interval.MINUTE, AT))]
    assert (bar.open, bar.high, bar.low, bar.close) == tuple(map(Decimal, ("10", "12", "9", "11")))
    assert (bar.volume, bar.notional, bar.trade_count) == (Decimal(10), Decimal(103), 4)


def test_a_late_trade_neither_opens_nor_closes_a_candle_that_has_earlier_and_later_ones() -> None:
    second = timedelta(seconds=1)
    found = bars(trade("X", "10"), trade("X", "11", at=AT + 2 * second), trade("X", "50", at=AT + second))
    bar = found[CandleKey("X", Interval.HOUR, opened_at(Interval.HOUR, AT))]
    assert (bar.open, bar.high, bar.close) == (Decimal(10), Decimal(50), Decimal(11))


def test_a_trade_on_the_boundary_belongs_to_the_later_candle() -> None:
    boundary = opened_at(Interval.MINUTE, AT) + timedelta(minutes=1)
    found = bars(trade("X", "10", at=boundary - timedelta(microseconds=1)), trade("X", "20", at=boundary))
    minutes = [bar for key, bar in found.items() if key.interval is Interval.MINUTE]
    assert [bar.trade_count for bar in minutes] == [1, 1]


TRADES = st.lists(
    st.tuples(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(0, 4000)).map(
        lambda t: trade("X", f"{t[0]}e-3", f"{t[1]}e-2", at=AT + timedelta(seconds=t[2]))
    ),
    max_size=40,
)


@given(TRADES, st.integers(0, 40))
def test_emptying_in_between_changes_nothing(trades: list[FeedTrade], cut: int) -> None:
    builder = CandleBuilder()
    builder.add(trades[:cut])
    earlier = builder.take()
    builder.add(trades[cut:])
    for key, bar in earlier.items():
        builder.join_before(key, bar)
    assert builder.take() == bars(*trades)


@given(TRADES)
def test_every_interval_counts_every_trade_once(trades: list[FeedTrade]) -> None:
    for interval in Interval:
        counted = [bar for key, bar in bars(*trades).items() if key.interval is interval]
        assert sum(bar.trade_count for bar in counted) == len(trades)
        assert sum(bar.volume for bar in counted) == sum(one.quantity for one in trades)
