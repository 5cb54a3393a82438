"""Demo instruments, switches and watchlists, and what the pages read."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from audit.selectors import events_of_stream
from marketdata.domain.candles import CandleBuilder
from marketdata.selectors import (
    candles_list,
    instruments_all,
    instruments_by_id,
    instruments_by_symbol,
    quotes_latest,
    session_at,
)
from marketdata.services import (
    demo_instruments_ensure,
    feed_run,
    feeding,
    instrument_add,
    instrument_switch,
    watchlist_ensure,
)
from marketdata.services.candles import candles_store
from marketdata.tests.support import TESTER, facts, stored_instrument, trade
from trading_portal.kernel import clock
from trading_portal.kernel.errors import InvalidInput, NotFound
from trading_portal.kernel.ids import uuid7

User = get_user_model()


@pytest.fixture
def person() -> Any:
    return User.objects.create_user(username=f"p{uuid7().hex}", password="correct horse battery staple")


@pytest.fixture
def pages(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def test_demo_instruments_are_added_once_and_stay_as_they_are() -> None:
    first = demo_instruments_ensure(clock.now())
    instrument_switch(instrument_id=first[0].id, is_halted=True, reason_given="drill", by=TESTER, at=clock.now())
    again = demo_instruments_ensure(clock.now())
    assert [one.id for one in again] == [one.id for one in first]
    assert again[0].is_halted
    instrument_switch(instrument_id=first[0].id, is_halted=False, reason_given="over", by=TESTER, at=clock.now())
    assert {"AAPL", "SPY", "BTC/USD", "XRP/ETH"} <= {one.symbol for one in first}
    assert all(session_at(one, clock.now()).is_open for one in first)


def test_a_switch_holds_from_the_next_read_and_is_in_the_log() -> None:
    one = stored_instrument()
    instrument_switch(instrument_id=one.id, is_halted=True, reason_given="news", by=TESTER, at=clock.now())
    assert instruments_by_symbol([one.symbol])[one.symbol].is_halted
    assert instruments_by_id([one.id])[one.id].is_halted
    events = events_of_stream(f"instrument:{one.id}")
    assert [event.type for event in events] == ["instrument.added", "instrument.switched"]
    assert events[1].payload["reason"] == "news"


def test_a_symbol_is_taken_once_and_an_unknown_instrument_cannot_be_switched() -> None:
    one = stored_instrument()
    with pytest.raises(InvalidInput, match="already"):
        instrument_add(facts=facts(symbol=one.symbol), by=TESTER, at=clock.now())
    with pytest.raises(NotFound):
        instrument_switch(instrument_id=uuid7(), is_halted=True, reason_given="?", by=TESTER, at=clock.now())


def test_pages_read_instruments_the_watched_ones_first(pages: Client, person: Any) -> None:
    first, second = stored_instrument(), stored_instrument()
    watchlist_ensure(user_id=person.id, name="Mine", symbols=[second.symbol, "NO/SUCH", first.symbol])
    watchlist_ensure(user_id=person.id, name="Mine", symbols=[])
    answer = pages.get("/prices/instruments").json()["instruments"]
    assert [one["symbol"] for one in answer[:2]] == [second.symbol, first.symbol]
    listed = {one["symbol"]: one for one in answer}
    assert [one["symbol"] for one in answer if one["is_watched"]] == [second.symbol, first.symbol]
    assert listed[first.symbol]["tick_size"] == "0.01"
    assert listed[first.symbol]["session"]["is_open"] is True
    assert listed[first.symbol]["previous_close"] is None


def test_pages_read_candles_oldest_first_and_page_backwards(pages: Client) -> None:
    one = stored_instrument()
    start = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
    builder = CandleBuilder()
    builder.add([trade(one.symbol, str(10 + n), at=start + timedelta(minutes=n)) for n in range(5)])
    candles_store(bars=builder.take(), ids={one.symbol: one.id})
    address = f"/prices/candles?symbol={one.symbol}&interval=1m&limit=2"
    newest = pages.get(address).json()["candles"]
    assert [(candle["t"], candle["c"]) for candle in newest] == [
        (int(start.timestamp()) + 180, "13"),
        (int(start.timestamp()) + 240, "14"),
    ]
    older = pages.get(f"{address}&before={newest[0]['t']}").json()["candles"]
    assert [candle["o"] for candle in older] == ["11", "12"]
    assert older[0] == {"t": int(start.timestamp()) + 60, "o": "11", "h": "11", "l": "11", "c": "11", "v": "1"}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("symbol=NO/SUCH", 404),
        ("", 404),
        ("symbol=AAPL&interval=2m", 422),
        ("symbol=AAPL&limit=0", 422),
        ("symbol=AAPL&limit=2001", 422),
        ("symbol=AAPL&limit=-1", 422),
        ("symbol=AAPL&limit=%D9%A1", 422),
        ("symbol=AAPL&limit=1e2", 422),
        ("symbol=AAPL&before=9999999999999999", 422),
        ("symbol=%00", 404),
    ],
)
def test_bad_questions_get_a_clear_answer(pages: Client, query: str, status: int) -> None:
    demo_instruments_ensure(clock.now())
    answer = pages.get(f"/prices/candles?{query}")
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"


def test_who_is_not_signed_in_reads_nothing() -> None:
    for address in ("/prices/candles?symbol=AAPL", "/prices/instruments"):
        answer = Client().get(address)
        assert answer.status_code == 401


def test_the_simulated_feed_gives_every_instrument_a_past_and_a_live_price(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FEED = "simulated"
    one = stored_instrument(asset_class="us_equity", calendar="XNYS", lot_size=1)
    other = stored_instrument()
    # Not those of every test before this one: each would be given a past of months.
    known = [facts_of for facts_of in instruments_all() if facts_of.symbol in (one.symbol, other.symbol)]
    assert len(known) == 2
    monkeypatch.setattr(feeding, "instruments_all", lambda: known)
    stop = threading.Event()
    said: list[str] = []
    beats: list[None] = []

    def beat() -> None:
        beats.append(None)
        if len(quotes_latest([one.symbol, other.symbol])) == 2:
            stop.set()

    feed_run(stop=stop, beat=beat, say=said.append)
    assert all(any(symbol in line for line in said) for symbol in (one.symbol, other.symbol))
    assert len(candles_list(one.id, "1d", limit=1000)) == 251
    assert len(candles_list(one.id, "1m", limit=10_000)) >= 3 * 1440
    assert quotes_latest([one.symbol])[one.symbol].is_open
    before = candles_list(one.id, "1h", limit=1000)[0]
    stop.clear()
    said.clear()
    feed_run(stop=stop, beat=stop.set, say=said.append)
    assert not any("History" in line and one.symbol in line for line in said)
    assert candles_list(one.id, "1h", limit=1000)[0] == before
