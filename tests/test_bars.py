"""Bars are read as Alpaca tells them: exact numbers, by symbol and time, in pages without a gap or a double."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from marketdata.domain.candles import CandleBuilder, CandleKey, bar_of
from marketdata.domain.types import Interval
from marketdata.services.candles import candles_store
from marketdata.tests.support import stored_instrument, trade
from orders.tests.api import assert_problem, new_caller
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

STOCKS, CRYPTO = "/v2/stocks/bars", "/v1beta3/crypto/us/bars"
OPEN = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = "2026-03-04"


def share(**changes):
    return stored_instrument(asset_class="us_equity", exchange="NASDAQ", **changes)


def pair():
    return stored_instrument(symbol=f"P{uuid7().hex[8:20].upper()}/USD")


def traded(instrument, count=1, *, first_at=OPEN, price=10, quantity="1"):
    """Trade once a minute, each time for one more."""
    builder = CandleBuilder()
    builder.add([trade(instrument.symbol, str(price + n), quantity, first_at + n * MINUTE) for n in range(count)])
    candles_store(bars=builder.take(), ids={instrument.symbol: instrument.id})
    return instrument


def read(caller, *instruments, path=STOCKS, **query):
    """Return what is told of some instruments, and what leads to the rest."""
    asked = {"symbols": ",".join(one.symbol for one in instruments), "timeframe": "1Min", "start": DAY, **query}
    answer = caller.get(path, **asked)
    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert told.keys() == {"bars", "next_page_token"}
    return told["bars"], told["next_page_token"]


def in_turn(bars):
    return [(symbol, bar["t"]) for symbol, listed in bars.items() for bar in listed]


@pytest.mark.parametrize(("path", "make"), [(STOCKS, share), (CRYPTO, pair)])
@pytest.mark.parametrize(
    ("timeframe", "opens"),
    [("1Min", "15:01"), ("5Min", "15:00"), ("1Hour", "15:00"), ("1Day", "00:00")],
)
def test_a_bar_is_told_in_alpacas_words(caller, path, make, timeframe, opens):
    one = make()
    builder = CandleBuilder()
    trades = (("10.5", "2"), ("12", "1"), ("9.25", "3"), ("11", "4"))
    builder.add([trade(one.symbol, price, quantity, OPEN + MINUTE) for price, quantity in trades])
    candles_store(bars=builder.take(), ids={one.symbol: one.id})
    answer = caller.get(path, symbols=one.symbol, timeframe=timeframe, start=DAY)
    assert answer["Content-Type"] == "application/json"
    bar = f'"t":"2026-03-04T{opens}:00Z","o":10.5,"h":12,"l":9.25,"c":11,"v":10,"n":4,"vw":10.475'
    assert answer.content.decode() == f'{{"bars":{{"{one.symbol}":[{{{bar}}}]}},"next_page_token":null}}'


def test_amounts_are_numbers_that_lose_no_digit(caller):
    one = pair()
    builder = CandleBuilder()
    builder.add([trade(one.symbol, "123456789012345.0123456789", "0.0000000003", OPEN)])
    candles_store(bars=builder.take(), ids={one.symbol: one.id})
    body = caller.get(CRYPTO, symbols=one.symbol, timeframe="1Min", start=DAY).content
    (bar,) = json.loads(body, parse_float=Decimal)["bars"][one.symbol]
    assert bar["o"] == Decimal("123456789012345.0123456789")
    assert bar["v"] == Decimal("0.0000000003")
    assert b"0.0000000003" in body


def test_an_average_price_is_rounded_once_and_absent_where_nothing_was_traded(caller):
    one = share()
    builder = CandleBuilder()
    builder.add([trade(one.symbol, "1", "2", OPEN), trade(one.symbol, "2", "1", OPEN)])
    still = bar_of(trade(one.symbol, "5", "0", OPEN + MINUTE))
    bars = {**builder.take(), CandleKey(one.symbol, Interval.MINUTE, OPEN + MINUTE): still}
    candles_store(bars=bars, ids={one.symbol: one.id})
    told, _ = read(caller, one)
    assert [(bar["v"], bar["vw"]) for bar in told[one.symbol]] == [(3, 1.3333333333), (0, None)]


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 11, 12, 13])
def test_pages_follow_each_other_without_a_gap_or_a_double(caller, sort, limit):
    some = [traded(share(), 5), traded(share(), 1), share(), traded(share(), 6)]
    whole, end = read(caller, *some, sort=sort)
    expected = [
        (one.symbol, f"2026-03-04T15:0{n}:00Z")
        for one, count in sorted(zip(some, (5, 1, 0, 6), strict=True), key=lambda pair: pair[0].symbol)
        for n in (range(count) if sort == "asc" else reversed(range(count)))
    ]
    assert (in_turn(whole), end) == (expected, None)
    pages, token = [], ""
    while token is not None:
        bars, token = read(caller, *some, sort=sort, limit=limit, page_token=token)
        pages.append(in_turn(bars))
    assert [bar for page in pages for bar in page] == expected
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert 0 < len(pages[-1]) <= limit


def test_a_page_may_end_inside_a_symbol_and_go_on_into_the_next(caller):
    first, second = sorted([traded(share(), 3), traded(share(), 3)], key=lambda one: one.symbol)
    bars, token = read(caller, first, second, limit=2)
    assert {symbol: len(listed) for symbol, listed in bars.items()} == {first.symbol: 2}
    bars, token = read(caller, second, first, limit=2, page_token=token)
    assert {symbol: [bar["c"] for bar in listed] for symbol, listed in bars.items()} == {
        first.symbol: [12],
        second.symbol: [10],
    }
    bars, token = read(caller, first, second, limit=2, page_token=token)
    assert ({symbol: [bar["c"] for bar in listed] for symbol, listed in bars.items()}, token) == (
        {second.symbol: [11, 12]},
        None,
    )


def test_a_candle_that_comes_between_two_pages_moves_none_of_the_others(caller):
    one = traded(share(), 4)
    early, token = read(caller, one, limit=2)
    traded(one, 1, first_at=OPEN - MINUTE)
    late, _ = read(caller, one, limit=9, page_token=token)
    assert [bar["c"] for bar in early[one.symbol] + late[one.symbol]] == [10, 11, 12, 13]


def test_start_and_end_belong_to_what_is_asked_for(caller):
    one = traded(share(), 5)
    for start, end, closes in (
        ("2026-03-04T15:01:00Z", "2026-03-04T15:03:00Z", [11, 12, 13]),
        ("2026-03-04T15:00:00.000001Z", "2026-03-04T15:00:59.999999Z", []),
        ("2026-03-04T10:03:00-05:00", "2026-03-05", [13, 14]),
        ("2026-03-04T15:04:00", "2026-03-04T15:04:00", [14]),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", [10, 11, 12, 13, 14]),
        (DAY, DAY, []),
    ):
        bars, token = read(caller, one, start=start, end=end)
        assert ([bar["c"] for bar in bars.get(one.symbol, [])], token) == (closes, None)


def test_who_names_no_start_is_told_of_today_also_when_the_next_page_is_read_tomorrow(caller):
    late = datetime(2026, 3, 4, 23, 58, tzinfo=UTC)
    first, second = sorted([share(), share()], key=lambda one: one.symbol)
    for one in (first, second):
        traded(one, 1, first_at=late - timedelta(days=1))
        traded(one, 4, first_at=late)
    with clock.frozen(late + MINUTE):
        bars, token = read(caller, first, second, start="", limit=3)
    with clock.frozen(late + timedelta(hours=1)):
        more, token = read(caller, first, second, start="", limit=9, page_token=token)
        anew, _ = read(caller, first, second, start="")
    assert token is None
    assert [bar["c"] for bar in bars[first.symbol] + more[first.symbol]] == [10, 11, 12, 13]
    assert [bar["c"] for bar in more[second.symbol]] == [10, 11, 12, 13]
    assert [bar["c"] for bar in anew[second.symbol]] == [12, 13]


def test_symbols_may_be_small_and_named_twice_and_one_without_bars_is_left_out(caller):
    one, silent = traded(share()), share()
    assert read(caller, silent) == ({}, None)
    asked = f"{one.symbol.lower()},{silent.symbol},{one.symbol}"
    bars, _ = read(caller, one, symbols=asked)
    assert in_turn(bars) == [(one.symbol, "2026-03-04T15:00:00Z")]


def test_what_trades_no_more_still_has_its_bars(caller):
    one = traded(share(is_active=False))
    assert in_turn(read(caller, one)[0]) == [(one.symbol, "2026-03-04T15:00:00Z")]


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        ({"symbols": ""}, "symbols", "symbols is required."),
        ({"symbols": "A\x00B"}, "symbols", "readable words"),
        ({"symbols": ",".join(f"S{n}" for n in range(501))}, "symbols", "at most 500"),
        ({"symbols": "NO-SUCH"}, "symbols", "There is no share NO-SUCH."),
        ({"symbols": "X'); DROP TABLE Y; --"}, "symbols", "There is no share X'); DROP TABLE Y; --."),
        ({"timeframe": ""}, "timeframe", "timeframe must be one of 1Min, 5Min, 1Hour, 1Day."),
        ({"timeframe": "15Min"}, "timeframe", "timeframe must be one of 1Min, 5Min, 1Hour, 1Day."),
        ({"timeframe": "1Week"}, "timeframe", "timeframe must be one of 1Min, 5Min, 1Hour, 1Day."),
        ({"start": "yesterday"}, "start", "start must be an instant"),
        ({"end": "2026-02-30"}, "end", "end must be an instant"),
        ({"start": "2026-03-05", "end": DAY}, "start", "start lies after end"),
        ({"start": "", "end": DAY}, "start", "start lies after end"),
        ({"limit": "0"}, "limit", "limit must be a whole number from 1 to 10000."),
        ({"limit": "10001"}, "limit", "limit must be a whole number from 1 to 10000."),
        ({"limit": "1e3"}, "limit", "limit must be a whole number from 1 to 10000."),
        ({"sort": "up"}, "sort", "sort must be one of asc, desc."),
        ({"page_token": "next"}, "page_token", "page_token is not one that this list gave out."),
        ({"page_token": "x" * 201}, "page_token", "page_token is not readable text"),
        ({"feed": "otc"}, "feed", "feed must be one of iex, sip."),
        ({"adjustment": "split"}, "adjustment", "adjustment must be one of raw."),
        ({"currency": "eur"}, "currency", "is priced in USD, not in EUR."),
        ({"asof": DAY}, "asof", "There is no such parameter here. There are symbols, timeframe,"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_sentence(caller, asked, field, said):
    query = {"symbols": share().symbol, "timeframe": "1Min", "start": DAY, **asked}
    body = assert_problem(caller.get(STOCKS, **query), 422, 42210000)
    assert [error["facts"]["field"] for error in body["errors"]] == [field]
    assert said in body["message"]


@pytest.mark.parametrize(
    "written",
    [
        "OTHER|0|0",
        "{}|0",
        "{}|soon|0",
        "{}|0|" + "9" * 40,
        "{}|-62135596800000000|0",
        "{}|253402300799999999|0",
        "{}|253402300800000000|0",
    ],
)
def test_a_page_token_that_was_not_given_out_is_refused(caller, written):
    one = traded(share())
    token = urlsafe_b64encode(written.format(one.symbol).encode()).decode()
    query = {"symbols": one.symbol, "timeframe": "1Min", "page_token": token}
    body = assert_problem(caller.get(STOCKS, **query), 422, 42210000)
    assert body["message"] == "page_token is not one that this list gave out."


def test_every_error_is_told_at_once(caller):
    query = {"symbols": "", "timeframe": "2Day", "start": "x", "limit": "-1", "sort": "up", "feed": "x", "more": "1"}
    body = assert_problem(caller.get(STOCKS, **query), 422, 42210000)
    assert {error["facts"]["field"] for error in body["errors"]} == query.keys()


def test_shares_and_pairs_have_each_an_address_of_their_own(caller):
    one, other = traded(share()), traded(pair())
    query = {"timeframe": "1Min", "start": DAY}
    body = assert_problem(caller.get(STOCKS, symbols=f"{one.symbol},{other.symbol}", **query), 422, 42210000)
    assert body["message"] == f"There is no share {other.symbol}."
    body = assert_problem(caller.get(CRYPTO, symbols=f"{one.symbol},NO/SUCH", **query), 422, 42210000)
    assert [error["sentence"] for error in body["errors"]] == [
        f"There is no crypto pair {each}; a pair is written with a slash, as in BTC/USD."
        for each in sorted([one.symbol, "NO/SUCH"])
    ]
    for only_of_shares in ({"feed": "iex"}, {"adjustment": "raw"}):
        assert read(caller, one, **only_of_shares)[0]
        assert_problem(caller.get(CRYPTO, symbols=other.symbol, **query, **only_of_shares), 422, 42210000)
    assert read(caller, other, path=CRYPTO, currency="usd")[0]
    for nowhere in ("/v1beta3/crypto/eu/bars", "/v1beta3/stocks/bars", "/v2/stocks/AAPL/bars"):
        assert_problem(caller.get(nowhere, **query), 404, 40410000)
    assert_problem(caller.post(STOCKS, {}), 405, 40510000)


def test_nobody_reads_bars_without_a_key_that_may_read(caller):
    path = f"{STOCKS}?symbols={share().symbol}&timeframe=1Min"
    assert_problem(Client().get(path), 401, 40110000)
    blind = new_caller(account_id=caller.account_id, scopes=["x:y"])
    assert_problem(blind.get(path), 403, 40310000)


def test_bars_that_are_still_the_same_come_without_their_body_and_count(caller, settings):
    settings.API_REQUESTS_PER_MINUTE = 3
    one = traded(share())
    query = {"symbols": one.symbol, "timeframe": "1Min", "start": DAY}
    first = caller.get(STOCKS, **query)
    known = {"If-None-Match": first["ETag"]}
    again = caller.get(STOCKS, headers=known, **query)
    assert (again.status_code, again.content, again["X-RateLimit-Remaining"]) == (304, b"", "1")
    traded(one, price=20)
    changed = caller.get(STOCKS, headers=known, **query)
    assert (changed.status_code, changed.json()["bars"][one.symbol][0]["c"]) == (200, 20)
    assert_problem(caller.get(STOCKS, **query), 429, 42910000)


@pytest.mark.parametrize(
    ("path", "make"), [("/v2/stocks/bars/latest", share), ("/v1beta3/crypto/us/latest/bars", pair)]
)
def test_the_last_minute_of_each_symbol_is_told(caller, path, make):
    first, second, silent = traded(make(), 3), traded(make(), 2, price=40), make()
    answer = caller.get(path, symbols=f"{first.symbol},{silent.symbol},{second.symbol}")
    assert {symbol: bar["c"] for symbol, bar in answer.json()["bars"].items()} == {first.symbol: 12, second.symbol: 41}
    last = {"t": "2026-03-04T15:02:00Z", "o": 12, "h": 12, "l": 12, "c": 12, "v": 1, "n": 1, "vw": 12}
    assert answer.json()["bars"][first.symbol] == last
    for refused in ({"symbols": ""}, {"symbols": "NO-SUCH"}, {"symbols": first.symbol, "start": DAY}):
        assert_problem(caller.get(path, **refused), 422, 42210000)
