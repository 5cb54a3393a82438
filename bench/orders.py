"""The requests that programs send: orders that pass every rule, no two alike."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import orjson
import psycopg

from bench.load import post
from bench.portal import VENUE, BenchPortal

Key = tuple[str, str]

# Risk takes an order like another of the last seconds for a slip: terms come again only after a long time.
TERMS = itertools.cycle((quantity, below) for below in range(400) for quantity in range(1, 5001))
# Each key's own: shared out in batches, one cycle for all would come around to an account within those seconds.
COINS: defaultdict[Key, Iterator[int]] = defaultdict(lambda: itertools.cycle(range(1, 4001)))


def signed(key: Key) -> dict[str, str]:
    """Return the headers that an API key signs with."""
    return {"APCA-API-KEY-ID": key[0], "APCA-API-SECRET-KEY": key[1]}


def named(venue: str) -> dict[str, str]:
    """Return what an order says of its venue: nothing where it goes there anyhow, as with most clients."""
    return {} if venue == VENUE else {"venue": venue}


def resting_never(portal: BenchPortal, *, batch: int = 1) -> Iterator[bytes]:
    """Yield buys below the market that end by themselves (ioc), each request for the next bench account in turn."""
    cents = price_below_market(portal)
    for key in itertools.cycle(portal.keys):
        orders = [
            {
                "symbol": portal.stock,
                "qty": str(quantity),
                "side": "buy",
                "type": "limit",
                "time_in_force": "ioc",
                "limit_price": f"{(cents - below) / 100:.2f}",
                **named(portal.venue),
            }
            for quantity, below in itertools.islice(TERMS, batch)
        ]
        yield placing(key, orders)


def market_buys(portal: BenchPortal, keys: Sequence[Key], *, venue: str = "", batch: int = 1) -> Iterator[bytes]:
    """Yield small market buys that fill, each request for the next key in turn."""
    for key in itertools.cycle(keys):
        orders = [
            {
                "symbol": portal.coin,
                "qty": f"{quantity / 10000:.4f}",
                "side": "buy",
                "type": "market",
                "time_in_force": "gtc",
                **named(venue or portal.venue),
            }
            for quantity in itertools.islice(COINS[key], batch)
        ]
        yield placing(key, orders)


def placing(key: Key, orders: Sequence[Mapping[str, str]]) -> bytes:
    """Return the request that places these orders: one alone, several in bulk."""
    if len(orders) == 1:
        return post("/v2/orders", orjson.dumps(orders[0]), signed(key))
    return post("/v2/orders/bulk", orjson.dumps({"orders": orders}), signed(key))


def price_below_market(portal: BenchPortal) -> int:
    """Return cents a little below the stock's last price, inside the collar."""
    with psycopg.connect(portal.facts["database_url"]) as connection:
        row = connection.execute(
            "SELECT q.last FROM marketdata_quote q JOIN marketdata_instrument i ON i.id = q.instrument_id"
            " WHERE i.symbol = %s",
            [portal.stock],
        ).fetchone()
    assert row, f"the feed has not priced {portal.stock} yet"
    return int(row[0] * 97)
