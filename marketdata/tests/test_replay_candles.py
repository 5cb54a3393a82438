"""Candles of a replayed recording equal those that pandas computes from the same file, field by field."""

from __future__ import annotations

import csv
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.conf import settings as django_settings

from marketdata.domain.types import InstrumentFacts
from marketdata.selectors import candles_list, closes_last, quotes_latest
from marketdata.services import feed_run
from marketdata.tests.support import stored_instrument

RECORDED = Path(django_settings.BASE_DIR).parent / "shared" / "data" / "binance-xrpeth-trades-2019-10-11.csv.gz"
RULES = {"1m": "1min", "5m": "5min", "1h": "1h", "1d": "1D"}


def xrp_like() -> InstrumentFacts:
    return stored_instrument(currency="ETH", tick_size=Decimal("0.00000001"), lot_size=Decimal(1))


def made_up(path: Path, seed: int) -> Path:
    """Write a recording with what is hard: bursts at one instant, boundaries, gaps of hours, a change of day."""
    chance = random.Random(seed)
    at, price = datetime(2024, 2, 28, 22, 57, tzinfo=UTC), 1413
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time", "trade_id", "side", "price", "quantity"])
        for number in range(4000):
            gap = chance.choice([0, 0, 0, 1, 250, 999, 60_000, 1000 * 60 * chance.choice([1, 1, 90])])
            at += timedelta(milliseconds=gap)
            if chance.random() < 0.05:
                at = at.replace(second=0, microsecond=0) + timedelta(minutes=1)
            price = max(5, price + chance.randint(-9, 9))
            quantity = Decimal(chance.randint(1, 10**6)) / 1000
            stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            writer.writerow([stamp, number, chance.choice(["buy", "sell"]), Decimal(price) / 10**6, quantity])
    return path


def replayed(settings: Any, path: Path, instrument: InstrumentFacts, until: Callable[[], Any], **options: Any) -> None:
    """Run the feed as its command does, until the candles are there."""
    settings.FEED, settings.REPLAY_FILE, settings.REPLAY_SYMBOL = "replay", str(path), instrument.symbol
    settings.REPLAY_REST = "none"
    settings.REPLAY_SPEED = options.get("speed", "max")
    settings.REPLAY_LOOP = options.get("loop", False)
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            feed_run(stop=stop, beat=lambda: None, say=lambda _: None)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 60
    while thread.is_alive() and time.monotonic() < deadline and not until():
        time.sleep(0.1)
    stop.set()
    thread.join(20)
    assert not failures
    assert time.monotonic() < deadline


def trades_stored(instrument: InstrumentFacts) -> int:
    return sum(candle.trade_count for candle in candles_list(instrument.id, "1d"))


def expected(path: Path) -> tuple[pd.DataFrame, int]:
    frame = pd.read_csv(path, dtype=str)
    frame.index = pd.to_datetime(frame["time"], format="ISO8601", utc=True)
    frame["price"] = frame["price"].map(Decimal)
    frame["quantity"] = frame["quantity"].map(Decimal)
    return frame, len(frame)


def assert_equal_to_pandas(frame: pd.DataFrame, instrument: InstrumentFacts) -> None:
    for interval, rule in RULES.items():
        groups = frame.resample(rule)
        theirs = [
            (
                opened.to_pydatetime(),
                *(group["price"].iloc[0], group["price"].max(), group["price"].min(), group["price"].iloc[-1]),
                *(group["quantity"].sum(), sum(group["price"] * group["quantity"]), len(group)),
            )
            for opened, group in groups
            if len(group)
        ]
        ours = [
            (c.opened_at, c.open, c.high, c.low, c.close, c.volume, c.notional, c.trade_count)
            for c in candles_list(instrument.id, interval, limit=100_000)
        ]
        assert len(ours) == len(theirs) > 0, interval
        for mine, their in zip(ours, theirs, strict=True):
            assert mine[:6] == their[:6], interval
            assert mine[7] == their[7], interval
            assert abs(mine[6] - their[6]) < Decimal("1e-9"), interval  # the column holds ten places


@pytest.mark.parametrize("seed", [1, 2])
def test_candles_of_a_made_up_recording_equal_those_of_pandas(tmp_path: Path, settings: Any, seed: int) -> None:
    path = made_up(tmp_path / "trades.csv", seed)
    frame, count = expected(path)
    instrument = xrp_like()
    replayed(settings, path, instrument, lambda: trades_stored(instrument) >= count)
    assert_equal_to_pandas(frame, instrument)


def test_candles_of_real_recorded_trades_equal_those_of_pandas(settings: Any) -> None:
    if not RECORDED.exists():
        pytest.skip(f"{RECORDED} is not there; the made-up recordings were compared all the same")
    frame, count = expected(RECORDED)
    instrument = xrp_like()
    replayed(settings, RECORDED, instrument, lambda: trades_stored(instrument) >= count)
    assert count == 12_477
    assert_equal_to_pandas(frame, instrument)


def test_a_replay_that_is_run_again_or_looped_leaves_the_same_candles(tmp_path: Path, settings: Any) -> None:
    path = made_up(tmp_path / "trades.csv", 3)
    frame, count = expected(path)
    instrument = xrp_like()
    replayed(settings, path, instrument, lambda: trades_stored(instrument) >= count // 2)
    ends = time.monotonic() + 5
    replayed(settings, path, instrument, lambda: time.monotonic() > ends, loop=True)
    assert_equal_to_pandas(frame, instrument)


def test_a_replay_makes_live_prices_with_the_files_own_times(tmp_path: Path, settings: Any) -> None:
    path = made_up(tmp_path / "trades.csv", 4)
    instrument = xrp_like()
    replayed(settings, path, instrument, lambda: quotes_latest([instrument.symbol]), speed="100")
    price = quotes_latest([instrument.symbol])[instrument.symbol]
    assert price.executed_at.year == 2024
    assert price.received_at.year >= 2026
    assert price.is_synthetic
    assert price.bid < price.last < price.ask
    assert closes_last([instrument.id])[instrument.id].at == price.executed_at
