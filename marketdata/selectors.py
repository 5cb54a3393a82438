"""Read instruments, prices, candles and sessions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import redis
import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

from audit.sql import fetch, fetch_later
from marketdata.domain import calendars, channels
from marketdata.domain.types import (
    Candle,
    Hours,
    InstrumentFacts,
    Interval,
    LastClose,
    Listing,
    PriceUpdate,
    Session,
    TradingDay,
)
from trading_portal.kernel.errors import Unavailable, reason

REDIS_SECONDS = 1.0

_INSTRUMENTS = """
SELECT id, symbol, name, asset_class, exchange, currency, trim_scale(tick_size), trim_scale(lot_size), calendar,
       is_active, is_tradable, is_halted, is_shortable, is_easy_to_borrow, is_fractionable
FROM marketdata_instrument
"""
_LISTINGS = "SELECT id, symbol, asset_class, exchange, currency FROM marketdata_instrument WHERE id = ANY(%s)"
_CANDLES = """
SELECT * FROM (
    SELECT opened_at, trim_scale(open), trim_scale(high), trim_scale(low), trim_scale(close), trim_scale(volume),
           trim_scale(notional), trade_count
    FROM marketdata_candle
    WHERE instrument_id = %s AND interval = %s
      AND opened_at >= coalesce(%s, '-infinity'::timestamptz) AND opened_at < coalesce(%s, 'infinity'::timestamptz)
    ORDER BY opened_at DESC LIMIT %s
) AS latest ORDER BY opened_at
"""
# Walks one index symbol by symbol, in their order, so that it ends where the page does and looks at no later symbol.
# Every symbol that was asked for has a row, without a candle where the page shows none, and without a currency where
# there is no such instrument.
_BARS = """
WITH named AS (
    SELECT asked.symbol, asked.first_at, asked.last_at, asked.place, instrument.id, instrument.currency
    FROM unnest(%(symbols)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
         WITH ORDINALITY AS asked(symbol, first_at, last_at, place)
    LEFT JOIN marketdata_instrument AS instrument
           ON instrument.symbol = asked.symbol AND instrument.asset_class = %(asset_class)s
), page AS (
    SELECT named.place, candle.*
    FROM (SELECT * FROM named ORDER BY place) AS named CROSS JOIN LATERAL (
        SELECT opened_at, open, high, low, close, volume, notional, trade_count FROM marketdata_candle
        WHERE instrument_id = named.id AND interval = %(interval)s
          AND opened_at BETWEEN named.first_at AND named.last_at
        ORDER BY opened_at {direction} LIMIT %(each)s
    ) AS candle
    ORDER BY named.place, candle.opened_at {direction} LIMIT %(limit)s
)
SELECT named.currency, named.symbol, opened_at, trim_scale(open)::text, trim_scale(high)::text, trim_scale(low)::text,
       trim_scale(close)::text, trim_scale(volume)::text, notional, trade_count
FROM named LEFT JOIN page USING (place)
ORDER BY named.place, opened_at {direction}
"""
_CLOSES = "SELECT instrument_id, trim_scale(last), executed_at FROM marketdata_quote WHERE instrument_id = ANY(%s)"
_PREVIOUS_CLOSES = """
SELECT instrument.id, trim_scale(day.close), day.opened_at
FROM unnest(%s::uuid[]) AS instrument(id)
CROSS JOIN LATERAL (
    SELECT close, opened_at FROM marketdata_candle
    WHERE instrument_id = instrument.id AND interval = '1d' AND opened_at < %s
    ORDER BY opened_at DESC LIMIT 1
) AS day
"""
_WATCHED = """
SELECT instrument.symbol
FROM marketdata_watchlistitem AS item JOIN marketdata_instrument AS instrument ON instrument.id = item.instrument_id
WHERE item.watchlist_id = (SELECT id FROM marketdata_watchlist WHERE user_id = %s ORDER BY id LIMIT 1)
ORDER BY item.position
"""
_decoder = msgspec.json.Decoder(PriceUpdate)
_listed: dict[UUID, Listing] = {}
# The last text read of each price, and what it says: it is decoded once, though it is read for every question.
_decoded: dict[str, tuple[bytes, PriceUpdate]] = {}

log = structlog.get_logger(__name__)

EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BarQuery:
    """Which candles of an asset class: of each symbol those that open from start to end, both included.

    Symbols are in capitals, each once, sorted. `beyond` is the last one seen, by symbol and time; `each` is how many
    there may be of one symbol.
    """

    asset_class: str
    symbols: Sequence[str]
    interval: Interval = Interval.MINUTE
    start: datetime = EARLIEST
    end: datetime = LATEST
    beyond: tuple[str, datetime] | None = None
    is_ascending: bool = True
    each: int | None = None
    limit: int

    def left_of(self, symbol: str) -> tuple[datetime, datetime]:
        """Return from when to when a symbol's candles have not been seen; of one that was seen whole, nothing."""
        seen, seen_at = self.beyond or ("", EARLIEST)
        if symbol > seen:
            return self.start, self.end
        if symbol < seen:
            return LATEST, EARLIEST
        if self.is_ascending:
            return max(self.start, seen_at + _INSTANT), self.end
        return self.start, min(self.end, seen_at - _INSTANT)


class BarRow(NamedTuple):
    """A candle as it is shown, amounts as text; `notional` is what was paid for its volume."""

    symbol: str
    opened_at: datetime
    open: str
    high: str
    low: str
    close: str
    volume: str
    notional: Decimal
    trade_count: int


@dataclass(frozen=True, slots=True)
class BarPage:
    """Candles by symbol, then time; and of each symbol its currency, None where there is no such instrument."""

    rows: Sequence[BarRow]
    currencies: Mapping[str, str | None]
    is_last: bool


def instruments_by_symbol(symbols: Collection[str]) -> dict[str, InstrumentFacts]:
    """Return the instruments of these symbols; unknown ones are absent."""
    return instruments_by_symbol_later(symbols)()


def instruments_by_symbol_later(symbols: Collection[str]) -> Callable[[], dict[str, InstrumentFacts]]:
    """Ask for the instruments of these symbols, inside `pipelined`."""
    rows = fetch_later(_INSTRUMENTS + "WHERE symbol = ANY(%s)", [list(symbols)], prepare=True)
    return lambda: {row[1]: InstrumentFacts(*row) for row in rows()}


def instruments_by_id(ids: Collection[UUID]) -> dict[UUID, InstrumentFacts]:
    """Return the instruments of these ids; unknown ones are absent."""
    return {
        row[0]: InstrumentFacts(*row) for row in fetch(_INSTRUMENTS + "WHERE id = ANY(%s)", [list(ids)], prepare=True)
    }


def listings_by_id(ids: Collection[UUID]) -> dict[UUID, Listing]:
    """Return what never changes of these instruments, each read once in a process's life; unknown ones are absent."""
    missing = [each for each in ids if each not in _listed]
    if missing:
        _listed.update((row[0], Listing(*row)) for row in fetch(_LISTINGS, [missing]))
    return {each: _listed[each] for each in ids if each in _listed}


def instruments_all() -> list[InstrumentFacts]:
    """Return every active instrument, equities first, by symbol."""
    rows = fetch(_INSTRUMENTS + "WHERE is_active ORDER BY asset_class DESC, symbol")
    return [InstrumentFacts(*row) for row in rows]


@cache
def _redis() -> redis.Redis[bytes]:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
        retry=Retry(NoBackoff(), 1, (RedisConnectionError,)),  # a broken connection once more; a silence never
    )


def quotes_latest(symbols: Iterable[str]) -> dict[str, PriceUpdate]:
    """Return the fresh prices of these symbols, in one round trip; who has none is absent.

    Raise Unavailable when nobody can tell.
    """
    wanted = list(dict.fromkeys(symbols))
    if not wanted:
        return {}
    try:
        found: Any = _redis().mget([channels.quote_key(symbol) for symbol in wanted])
    except (RedisError, OSError) as error:
        why = reason("PRICES_UNAVAILABLE", error=type(error).__name__)
        raise Unavailable(why, "Prices cannot be read right now.") from error
    prices = {}
    for symbol, text in zip(wanted, found, strict=True):
        if text is None:
            continue
        known = _decoded.get(symbol)
        if known is not None and known[0] == text:
            prices[symbol] = known[1]
            continue
        try:
            prices[symbol] = _decoder.decode(text)
            _decoded[symbol] = text, prices[symbol]
        except msgspec.MsgspecError as error:
            log.error("marketdata.price_unreadable", symbol=symbol, error=str(error))
    return prices


def closes_last(instrument_ids: Collection[UUID]) -> dict[UUID, LastClose]:
    """Return the last known prices, however old, with their time by the market's clock."""
    return {row[0]: LastClose(row[1], row[2]) for row in fetch(_CLOSES, [list(instrument_ids)])}


def closes_previous(instrument_ids: Collection[UUID], at: datetime) -> dict[UUID, LastClose]:
    """Return the closes of the last day with trades before the (UTC) day of an instant."""
    today = datetime.combine(at.astimezone(UTC).date(), time(), UTC)
    return {row[0]: LastClose(row[1], row[2]) for row in fetch(_PREVIOUS_CLOSES, [list(instrument_ids), today])}


def candles_list(
    instrument_id: UUID, interval: str, start: datetime | None = None, end: datetime | None = None, limit: int = 500
) -> list[Candle]:
    """Return the latest `limit` candles that open from start to before end, oldest first."""
    return [
        Candle(
            opened_at=row[0],
            open=row[1],
            high=row[2],
            low=row[3],
            close=row[4],
            volume=row[5],
            notional=row[6],
            trade_count=row[7],
        )
        for row in fetch(_CANDLES, [instrument_id, interval, start, end, limit])
    ]


def bars_shown(query: BarQuery) -> BarPage:
    """Return a page of candles."""
    ranges = [query.left_of(symbol) for symbol in query.symbols]
    values = {
        "symbols": list(query.symbols),
        "starts": [first_at for first_at, _ in ranges],
        "ends": [last_at for _, last_at in ranges],
        "asset_class": query.asset_class,
        "interval": query.interval.value,
        "each": query.each or query.limit + 1,
        "limit": query.limit + 1,
    }
    direction = "ASC" if query.is_ascending else "DESC"
    found = fetch(_BARS.format(direction=direction), values, prepare=True)
    rows = [BarRow(*row[1:]) for row in found if row[2] is not None]
    return BarPage(rows[: query.limit], {row[1]: row[0] for row in found}, len(rows) <= query.limit)


def _is_always_open() -> bool:
    return bool(settings.SIMULATED_SESSIONS == "always")


def session_at(instrument: InstrumentFacts, at: datetime, hours: Hours = Hours.REGULAR) -> Session:
    """Return an instrument's session at an instant, for the hours asked; closed where its calendar is unknown."""
    return calendars.session(instrument.calendar, at, is_always_open=_is_always_open(), hours=hours)


def calendar_session(calendar: str, at: datetime) -> Session:
    """Return a calendar's session at an instant, with the same rule as `session_at`."""
    return calendars.session(calendar, at, is_always_open=_is_always_open())


def calendar_days(calendar: str, first: date, last: date) -> list[TradingDay]:
    """Return a calendar's trading days from first to last, both included."""
    return calendars.trading_days(calendar, first, last, is_always_open=_is_always_open())


def watchlist_symbols(user_id: UUID) -> list[str]:
    """Return the symbols of a person's first watchlist, in their order."""
    rows = fetch(_WATCHED, [user_id])
    return [row[0] for row in rows]
