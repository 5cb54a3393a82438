"""The requests that programs send: orders that pass every rule, no two alike."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import orjson
import psycopg

from bench.load import post
from bench.portal import VENUE, BenchPortal

Key = tuple[str, str]

# Risk takes an order like another of the last seconds for a slip: terms come again only after a long time.
TERMS = itertools.cycle((quantity, below) for below in range(400) for quantity in range(1, 5001))
COINS = itertools.cycle(range(1, 4001))


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
        if batch == 1:
            yield post("/v2/orders", orjson.dumps(orders[0]), signed(key))
        else:
            yield post("/v2/orders/bulk", orjson.dumps({"orders": orders}), signed(key))


def market_buys(portal: BenchPortal, keys: Sequence[Key], *, venue: str = "") -> Iterator[bytes]:
    """Yield small market buys that fill, for each key in turn."""
    for key in itertools.cycle(keys):
        body = {
            "symbol": portal.coin,
            "qty": f"{next(COINS) / 10000:.4f}",
            "side": "buy",
            "type": "market",
            "time_in_force": "gtc",
            **named(venue or portal.venue),
        }
        yield post("/v2/orders", orjson.dumps(body), signed(key))


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
