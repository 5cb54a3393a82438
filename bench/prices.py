"""Publish prices as a feed would at its fastest, and say what a frame of them looks like."""

from __future__ import annotations

import itertools
import random
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import redis

from bench.bare_server import STAMP
from marketdata.domain import channels
from marketdata.domain.quotes import quote_text
from marketdata.domain.types import PriceUpdate

UNIVERSE = [f"B{number:02}" for number in range(50)]
PER_STREAM = 10
PUBLICATIONS = 50
EACH_PRICE = 10


def update(symbol: str, price: int) -> PriceUpdate:
    """Return a price of now, as the feed publishes it."""
    last = Decimal(price) / 100
    now = datetime.fromtimestamp(time.time(), UTC)
    return PriceUpdate(
        symbol=symbol,
        bid=last - Decimal("0.01"),
        ask=last + Decimal("0.01"),
        bid_size=Decimal(300),
        ask_size=Decimal(200),
        last=last,
        last_size=Decimal(100),
        executed_at=now,
        received_at=now,
        is_synthetic=False,
        is_open=True,
        previous_close=Decimal("187.20"),
    )


class Publisher(threading.Thread):
    """Publish every price ten times a second, a part of them each time, as a feed would at its fastest."""

    def __init__(self, redis_url: str) -> None:
        super().__init__(daemon=True)
        self._redis = redis.Redis.from_url(redis_url)
        self._ended = threading.Event()
        self.may_publish = threading.Event()

    def run(self) -> None:
        """Publish until stopped."""
        rng = random.Random(1)
        parts = PUBLICATIONS // EACH_PRICE
        due_at = time.perf_counter()
        for turn in itertools.count():
            due_at = max(due_at + 1 / PUBLICATIONS, time.perf_counter() - 0.1)
            if self._ended.wait(max(0.0, due_at - time.perf_counter())):
                return
            if not self.may_publish.is_set():
                continue
            updates = [update(symbol, rng.randint(18_000, 19_000)) for symbol in UNIVERSE[turn % parts :: parts]]
            self._redis.publish(channels.PRICES, msgspec.json.encode(updates))

    def stop(self) -> None:
        """End it."""
        self._ended.set()
        self.join()


def lists_of(count: int) -> list[list[str]]:
    """Return so many different lists of symbols, each with some of every part that is published at once."""
    rng = random.Random(2)
    parts = PUBLICATIONS // EACH_PRICE
    of_each = PER_STREAM // parts
    return [
        sorted(symbol for part in range(parts) for symbol in rng.sample(UNIVERSE[part::parts], of_each))
        for _ in range(count)
    ]


def quotes_text() -> str:
    """Return what a frame of the floor holds: as many bytes as a frame of prices."""
    stamp = '"received_at":"'
    texts = []
    for symbol in UNIVERSE[:PER_STREAM]:
        before, _, after = quote_text(update(symbol, 18_500)).partition(stamp)
        texts.append(f'"{symbol}":{before}{stamp}{STAMP.decode()}{after[after.index(chr(34)) :]}')
    return f"{{{','.join(texts)}}}"
