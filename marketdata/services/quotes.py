"""Store last known prices: fresh ones in Redis, the last one in the database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
import redis
from django.conf import settings
from django.db import connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from marketdata.domain import channels
from marketdata.domain.types import CandleMessage, PriceUpdate
from trading_portal.kernel.errors import Unavailable, reason

REDIS_SECONDS = 2.0

_UPSERT = """
INSERT INTO marketdata_quote (instrument_id, bid, ask, last, is_synthetic, executed_at, received_at)
SELECT * FROM unnest(%s::uuid[], %s::numeric[], %s::numeric[], %s::numeric[], %s::bool[], %s::timestamptz[],
                     %s::timestamptz[])
ON CONFLICT (instrument_id) DO UPDATE
SET bid = excluded.bid, ask = excluded.ask, last = excluded.last, is_synthetic = excluded.is_synthetic,
    executed_at = excluded.executed_at, received_at = excluded.received_at
"""
_encoder = msgspec.json.Encoder()


def redis_client() -> redis.Redis[bytes]:
    """Return a client that fails within seconds, so that its caller can try again with what is newer by then."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


@cache
def redis_shared() -> redis.Redis[bytes]:
    """Return the client that a process's callers share; it is safe to use from any thread."""
    return redis_client()


@contextmanager
def redis_answering() -> Iterator[None]:
    """Raise Unavailable when Redis does not answer what is asked in the block."""
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise Unavailable(reason("REDIS_UNAVAILABLE"), "Live updates cannot be sent: Redis does not answer.") from error


def prices_publish_latest(*, client: redis.Redis[bytes], updates: Iterable[PriceUpdate], at: datetime) -> int:
    """Put fresh prices where `quotes_latest` finds them, each to live until it is five seconds old; return how many."""
    fresh = 0
    pipe: Any = client.pipeline(transaction=False)
    for update in updates:
        left = channels.FRESH_SECONDS - (at - update.received_at).total_seconds()
        if left > 0:
            fresh += 1
            milliseconds = max(1, min(int(left * 1000), channels.FRESH_SECONDS * 1000))
            pipe.set(channels.quote_key(update.symbol), _encoder.encode(update), px=milliseconds)
    if fresh:
        pipe.execute()
    return fresh


def prices_fan_out(*, client: redis.Redis[bytes], updates: Iterable[PriceUpdate]) -> None:
    """Tell every hub what changed."""
    client.publish(channels.PRICES, _encoder.encode(list(updates)))


def candles_fan_out(*, client: redis.Redis[bytes], candles: Iterable[CandleMessage]) -> None:
    """Tell every hub which candles changed."""
    client.publish(channels.CANDLES, _encoder.encode(list(candles)))


def quotes_store(*, updates: Iterable[PriceUpdate], ids: Mapping[str, UUID]) -> None:
    """Write last known prices in one statement."""
    ordered = sorted(updates, key=lambda update: update.symbol)
    if not ordered:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _UPSERT,
            [
                [ids[update.symbol] for update in ordered],
                [update.bid for update in ordered],
                [update.ask for update in ordered],
                [update.last for update in ordered],
                [update.is_synthetic for update in ordered],
                [update.executed_at for update in ordered],
                [update.received_at for update in ordered],
            ],
        )
