"""Read bars: what their addresses run, and what `bars` describes."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from accounts.api.parameters import NOT_GIVEN_OUT, Parameters
from accounts.api.reading import Answer, Asked
from accounts.api.renderers import encode
from marketdata.api.shapes import bar_json
from marketdata.domain.candles import EPOCH, opened_at
from marketdata.domain.types import CRYPTO, MOST_SYMBOLS, US_EQUITY, Interval
from marketdata.selectors import EARLIEST, LATEST, BarPage, BarQuery, BarRow, bars_shown

PAGE_DEFAULT, PAGE_LIMIT = 1_000, 10_000
TOKEN_LENGTH = 200
TIMEFRAMES = {
    "1Min": Interval.MINUTE,
    "5Min": Interval.FIVE_MINUTES,
    "1Hour": Interval.HOUR,
    "1Day": Interval.DAY,
}
# Words of Alpaca's that say what the portal does anyhow: it has one feed, and prices as they were traded.
FEEDS, ADJUSTMENTS = ("iex", "sip"), ("raw",)
_MICROSECOND = timedelta(microseconds=1)
_UNKNOWN = {
    US_EQUITY: "There is no share {}.",
    CRYPTO: "There is no crypto pair {}; a pair is written with a slash, as in BTC/USD.",
}


class _Place(NamedTuple):
    """The last bar of a page, and from when on bars were asked for."""

    symbol: str
    at: datetime
    start: datetime


_NOWHERE = _Place("", EARLIEST, EARLIEST)


class OfMarket:
    """What hangs on no account: read anew for every request, a statement each."""

    is_of_version = False

    def __init__(self, read: Callable[[Asked, str], Answer], asset_class: str) -> None:
        self._read = read
        self._asset_class = asset_class

    def at_once(self, asked: Sequence[Asked]) -> Sequence[Answer | None]:
        """Return nothing: the gate's thread waits for no page of the market."""
        return [None] * len(asked)

    def read(self, asked: Asked) -> Answer:
        """Read one answer."""
        return self._read(asked, self._asset_class)


def bars_read(asked: Asked, asset_class: str) -> Answer:
    """Read a page of bars; one that is not the last leads to the next."""
    given = Parameters(asked.query)
    query = _query(given, asset_class, asked.at)
    currency = _source(given, asset_class)
    given.check()
    page = bars_shown(query)
    _require_priced(page, asset_class, currency)
    bars = {symbol: [bar_json(row) for row in rows] for symbol, rows in groupby(page.rows, attrgetter("symbol"))}
    token = None if page.is_last else _token(page.rows[-1], query.start)
    return Answer.of(encode({"bars": bars, "next_page_token": token}))


def bars_read_latest(asked: Asked, asset_class: str) -> Answer:
    """Read the last minute's bar of each symbol; one that never had any is left out."""
    given = Parameters(asked.query)
    symbols = _symbols(given)
    currency = _source(given, asset_class)
    given.check()
    page = bars_shown(
        BarQuery(asset_class=asset_class, symbols=symbols, is_ascending=False, each=1, limit=len(symbols))
    )
    _require_priced(page, asset_class, currency)
    return Answer.of(encode({"bars": {row.symbol: bar_json(row) for row in page.rows}}))


def _query(given: Parameters, asset_class: str, at: datetime) -> BarQuery:
    symbols = _symbols(given)
    timeframe = given.text("timeframe") or ""
    given.require("timeframe", timeframe in TIMEFRAMES, f"timeframe must be one of {', '.join(TIMEFRAMES)}.")
    place = _place(given, symbols)
    # The first page says what today is, also when the last one is read tomorrow.
    start = given.instant("start") or (place.start if place else opened_at(Interval.DAY, at))
    end = given.instant("end") or LATEST
    given.require("start", start <= end, "start lies after end; where no start is given, it is the beginning of today.")
    if asset_class == US_EQUITY:
        given.choice("adjustment", ADJUSTMENTS)
    return BarQuery(
        asset_class=asset_class,
        symbols=symbols,
        interval=TIMEFRAMES.get(timeframe, Interval.MINUTE),
        start=start,
        end=end,
        beyond=place and (place.symbol, place.at),
        is_ascending=given.choice("sort", ("asc", "desc"), "asc") == "asc",
        limit=given.integer("limit", default=PAGE_DEFAULT, low=1, high=PAGE_LIMIT),
    )


def _symbols(given: Parameters) -> list[str]:
    symbols = sorted({symbol.upper() for symbol in given.words("symbols", at_most=MOST_SYMBOLS)})
    given.require("symbols", bool(symbols), "symbols is required.")
    return symbols


def _source(given: Parameters, asset_class: str) -> str | None:
    """Read what prices are asked for, the last of what there is to read; return the currency that they must be in."""
    if asset_class == US_EQUITY:
        given.choice("feed", FEEDS)
    currency = given.text("currency")
    given.no_others()
    return currency.upper() if currency else None


def _require_priced(page: BarPage, asset_class: str, currency: str | None) -> None:
    """Refuse symbols that nobody knows, or that are priced in another currency than was asked for."""
    given = Parameters.none()
    for symbol, its in page.currencies.items():
        given.require("symbols", its is not None, _UNKNOWN[asset_class].format(symbol))
        is_in_it = its is None or currency in (None, its)
        given.require("currency", is_in_it, f"{symbol} is priced in {its}, not in {currency}.")
    given.check()


def _token(row: BarRow, start: datetime) -> str:
    """Return what leads to the bars after this one."""
    at, since = (row.opened_at - EPOCH) // _MICROSECOND, (start - EPOCH) // _MICROSECOND
    return urlsafe_b64encode(f"{row.symbol}|{at}|{since}".encode()).decode()


def _place(given: Parameters, symbols: Sequence[str]) -> _Place | None:
    """Return where the page before ended."""
    written = given.text("page_token", limit=TOKEN_LENGTH)
    if written is None:
        return None
    try:
        symbol, at, start = urlsafe_b64decode(written).decode().split("|")
        place = _Place(symbol, EPOCH + int(at) * _MICROSECOND, EPOCH + int(start) * _MICROSECOND)
    except (ValueError, OverflowError):
        place = _NOWHERE
    given.require("page_token", place.symbol in symbols and EARLIEST < place.at < LATEST, NOT_GIVEN_OUT)
    return place


STOCK_BARS, STOCK_BARS_LATEST = OfMarket(bars_read, US_EQUITY), OfMarket(bars_read_latest, US_EQUITY)
CRYPTO_BARS, CRYPTO_BARS_LATEST = OfMarket(bars_read, CRYPTO), OfMarket(bars_read_latest, CRYPTO)
