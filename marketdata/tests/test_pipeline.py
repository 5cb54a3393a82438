"""From feed events to Redis, candles and rows, on real servers; one failing part never holds up another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import redis
from django.conf import settings as django_settings
from django.db import OperationalError

from marketdata import selectors
from marketdata.domain import channels
from marketdata.domain.types import CandleMessage, FeedEvent, FeedHeartbeat, FeedRewind, InstrumentFacts, PriceUpdate
from marketdata.selectors import candles_list, closes_last, closes_previous, quotes_latest
from marketdata.services import price_handlers
from marketdata.services.feeding import feeds_turn
from marketdata.services.pipeline import Pipeline
from marketdata.services.price_handlers import Candles, FanOut, LastPrices, QuoteRows, Turn
from marketdata.services.quotes import prices_publish_latest, redis_client
from marketdata.tests.support import price, quote, stored_instrument, trade
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Unavailable

MINUTE = timedelta(minutes=1)


def eventually(check: Callable[[], Any], seconds: float = 8.0) -> Any:
    """Return the first true answer; fail when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := check():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")


@contextmanager
def running(*instruments: InstrumentFacts, **options: Any) -> Iterator[Pipeline]:
    pipeline = Pipeline(instruments, **options)
    pipeline.start()
    try:
        yield pipeline
    finally:
        pipeline.stop()


def minute_candles(instrument: InstrumentFacts) -> list[tuple[str, ...]]:
    found = candles_list(instrument.id, "1m")
    return [(*(str(n) for n in (c.open, c.high, c.low, c.close, c.volume)), str(c.trade_count)) for c in found]


def test_a_price_reaches_redis_the_hubs_the_candles_and_the_quote_row() -> None:
    one = stored_instrument()
    listener: Any = redis_client().pubsub(ignore_subscribe_messages=True)
    listener.subscribe(channels.PRICES, channels.CANDLES)
    now = clock.now()
    with running(one) as pipeline:
        pipeline.take([quote(one.symbol, "99", "101"), trade(one.symbol, "100", "2", now)], now)
        found = eventually(lambda: quotes_latest([one.symbol]).get(one.symbol))
        heard = [eventually(lambda: listener.get_message(timeout=1)) for _ in range(2)]
        eventually(lambda: closes_last([one.id]))
        eventually(lambda: candles_list(one.id, "1d"))
    assert (found.bid, found.ask, found.last, found.received_at) == (99, 101, 100, now)
    assert msgspec.json.decode(heard[0]["data"], type=list[PriceUpdate]) == [found]
    series = msgspec.json.decode(heard[1]["data"], type=list[CandleMessage])
    assert {(candle.symbol, candle.interval) for candle in series} == {
        (one.symbol, i) for i in ("1m", "5m", "1h", "1d")
    }
    assert closes_last([one.id])[one.id].price == 100
    assert minute_candles(one) == [("100", "100", "100", "100", "2", "1")]
    listener.close()


def test_a_price_lives_until_it_is_five_seconds_old() -> None:
    one = stored_instrument()
    client: Any = redis_client()
    now = clock.now()
    young = price(one.symbol, received_at=now - timedelta(seconds=4.8))
    assert prices_publish_latest(client=client, updates=[young], at=now) == 1
    assert 0 < client.pttl(channels.quote_key(one.symbol)) <= 200
    eventually(lambda: quotes_latest([one.symbol]) == {}, seconds=1)


def test_a_price_that_is_stale_when_redis_is_back_is_not_made_fresh_again() -> None:
    one = stored_instrument()
    handler = LastPrices()
    handler.offer(Turn(prices=[price(one.symbol, received_at=clock.now() - timedelta(seconds=5))]))
    handler.write()
    assert quotes_latest([one.symbol]) == {}


def test_the_feeds_word_keeps_a_standing_quote_fresh_without_a_trade() -> None:
    one = stored_instrument()
    now = clock.now()
    with running(one) as pipeline:
        pipeline.take([quote(one.symbol, "99", "101"), trade(one.symbol, "100", at=now)], now - timedelta(seconds=4))
        first = eventually(lambda: quotes_latest([one.symbol]).get(one.symbol))
        pipeline.take([FeedHeartbeat(symbols=(one.symbol,), at=now)], now)
        eventually(lambda: quotes_latest([one.symbol])[one.symbol].received_at > first.received_at)
    assert quotes_latest([one.symbol])[one.symbol].executed_at == now


def test_what_makes_no_sense_is_counted_and_the_rest_goes_through() -> None:
    one = stored_instrument()
    now = clock.now()
    with running(one) as pipeline:
        turn = pipeline.take(
            [
                quote(one.symbol, "99", "101"),
                trade(one.symbol, "100", at=now),
                trade(one.symbol, "NaN", at=now),
                trade(one.symbol, "-5", at=now),
                quote(one.symbol, "102", "101"),
                trade("NO/SUCH", "1", at=now),
                trade(one.symbol, "100.5", at=now),
            ],
            now,
        )
        assert pipeline.dropped == {"FEED_PRICE_UNUSABLE": 2, "FEED_QUOTE_CROSSED": 1, "FEED_SYMBOL_UNKNOWN": 1}
    assert [one_trade.price for one_trade in turn.trades] == [100, Decimal("100.5")]
    assert [(update.bid, update.last) for update in turn.prices] == [(99, Decimal("100.5"))]


def test_a_restart_goes_on_with_the_open_candle_without_losing_or_doubling() -> None:
    one = stored_instrument()
    start = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
    with running(one) as pipeline:
        pipeline.take([trade(one.symbol, p, at=start) for p in ("10", "14", "12")], start)
    for price_, second in (("9", 10), ("11", 20)):
        with running(one) as pipeline:
            pipeline.take([trade(one.symbol, price_, at=start + timedelta(seconds=second))], start)
    assert minute_candles(one) == [("10", "14", "9", "11", "5", "5")]
    assert candles_list(one.id, "1d")[0].notional == 56


def test_a_late_trade_joins_a_candle_that_left_memory_long_ago() -> None:
    one = stored_instrument()
    start = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
    handler = Candles({one.symbol: one.id}, FanOut())
    for minute in range(6):
        handler.offer(Turn(trades=[trade(one.symbol, "10", at=start + MINUTE * minute)]))
        handler.write()
    handler.offer(Turn(trades=[trade(one.symbol, "30", at=start)]))
    handler.write()
    assert [row[1] for row in minute_candles(one)] == ["30", "10", "10", "10", "10", "10"]
    assert minute_candles(one)[0][5] == "2"


def test_later_passes_of_a_recording_do_not_double_its_candles() -> None:
    one = stored_instrument()
    start = datetime(2019, 10, 11, tzinfo=UTC)
    played = [trade(one.symbol, str(10 + n), at=start + MINUTE * n) for n in range(5)]
    with running(one) as pipeline:
        pipeline.take(played, clock.now())
        for number in (2, 3):
            rewind: list[FeedEvent] = [FeedRewind(symbol=one.symbol, pass_number=number)]
            pipeline.take([*rewind, *played], clock.now())
    assert [row[5] for row in minute_candles(one)] == ["1"] * 5
    assert candles_list(one.id, "1d")[0].trade_count == 5


@pytest.mark.parametrize("point", ["candles_load", "candles_store"])
def test_candles_survive_a_database_that_fails_at_any_point(monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    one = stored_instrument()
    start = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
    handler = Candles({one.symbol: one.id}, FanOut())
    real = getattr(price_handlers, point)

    def fail(**_: Any) -> None:
        raise OperationalError("the server went away")

    for number in range(4):
        handler.offer(Turn(trades=[trade(one.symbol, str(10 + number), at=start + timedelta(seconds=number))]))
        monkeypatch.setattr(price_handlers, point, fail if number % 2 == 0 else real)
        if number % 2 == 0:
            with pytest.raises(OperationalError):
                handler.write()
        else:
            handler.write()
            handler.write()
    assert minute_candles(one) == [("10", "13", "10", "13", "4", "4")]


class _Broken:
    """A handler that always fails, or never returns."""

    seconds = 0.01

    def __init__(self, name: str, hangs: threading.Event | None = None) -> None:
        self.name = name
        self.hangs = hangs
        self.tries = 0
        self.has_work = threading.Event()

    def offer(self, turn: Turn) -> None:
        self.has_work.set()

    def write(self) -> None:
        self.tries += 1
        if self.hangs is not None:
            self.hangs.wait(20)
        else:
            raise ValueError("broken")


def test_a_handler_that_fails_or_hangs_holds_up_no_other() -> None:
    one = stored_instrument()
    release = threading.Event()
    failing, hanging = _Broken("failing"), _Broken("hanging", release)
    now = clock.now()
    with running(one, handlers=[failing, hanging, LastPrices(), QuoteRows({one.symbol: one.id})]) as pipeline:
        for number in range(3):
            pipeline.take([quote(one.symbol, "99", "101"), trade(one.symbol, str(100 + number), at=now)], clock.now())
            time.sleep(0.1)
        eventually(lambda: quotes_latest([one.symbol])[one.symbol].last == 102)
        eventually(lambda: closes_last([one.id])[one.id].price == 102)
        eventually(lambda: failing.tries > 3)
        assert hanging.tries == 1
        release.set()


def test_without_redis_prices_cannot_be_read_and_candles_are_still_stored(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    one = stored_instrument()
    now = clock.now()
    good = django_settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    selectors._redis.cache_clear()
    try:
        with pytest.raises(Unavailable):
            quotes_latest([one.symbol])
        with running(one) as pipeline:
            pipeline.take([quote(one.symbol, "99", "101"), trade(one.symbol, "100", at=now)], clock.now())
            eventually(lambda: candles_list(one.id, "1d"))
            eventually(lambda: closes_last([one.id]))
            for writer in pipeline._writers:
                if hasattr(writer.handler, "_redis"):
                    writer.handler._redis = redis.Redis.from_url(good)
            pipeline.take([FeedHeartbeat(symbols=(one.symbol,), at=now)], clock.now())
            settings.REDIS_URL = good
            selectors._redis.cache_clear()
            assert eventually(lambda: quotes_latest([one.symbol]).get(one.symbol)).last == 100
    finally:
        selectors._redis.cache_clear()


def test_an_unreadable_price_is_no_price() -> None:
    one = stored_instrument()
    redis_client().set(channels.quote_key(one.symbol), b'{"symbol": 1}', ex=5)
    assert quotes_latest([one.symbol]) == {}


def test_the_previous_close_is_that_of_the_last_day_with_trades() -> None:
    one = stored_instrument()
    friday = datetime(2026, 3, 6, 20, 0, tzinfo=UTC)
    with running(one) as pipeline:
        pipeline.take([trade(one.symbol, "50", at=friday), trade(one.symbol, "52", at=friday)], friday)
    assert closes_previous([one.id], friday) == {}
    assert closes_previous([one.id], friday + timedelta(days=3))[one.id].price == 52


class _Feed:
    name = "test"

    def __init__(self, symbol: str, fails: bool) -> None:
        self.symbols = (symbol,)
        self.fails = fails

    def start(self, at: datetime) -> None:
        """Start nothing."""

    def stop(self) -> None:
        """Stop nothing."""

    def poll(self, at: datetime) -> Sequence[FeedEvent]:
        if self.fails:
            raise ConnectionError("the line is dead")
        return [quote(self.symbols[0], "1", "2"), trade(self.symbols[0], "1.5", at=at)]


def test_a_feed_that_fails_goes_stale_and_the_others_go_on_and_the_loop_beats() -> None:
    good, bad = stored_instrument(), stored_instrument()
    stop = threading.Event()
    beats: list[float] = []

    def beat() -> None:
        beats.append(time.monotonic())
        if len(beats) == 5:
            stop.set()

    with running(good, bad) as pipeline:
        feeds = [_Feed(bad.symbol, fails=True), _Feed(good.symbol, fails=False)]
        feeds_turn(feeds=feeds, pipeline=pipeline, stop=stop, beat=beat)
        assert eventually(lambda: quotes_latest([good.symbol, bad.symbol])).keys() == {good.symbol}
    assert len(beats) == 5
