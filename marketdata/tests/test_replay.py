"""Recordings: read strictly, played at the speed asked for, with the file's own times."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketdata.domain.types import FeedEvent, FeedHeartbeat, FeedQuote, FeedRewind, FeedTrade
from marketdata.feeds.recording import Recording
from marketdata.feeds.replay import ReplayFeed, speed_of
from marketdata.tests.support import AT, facts
from trading_portal.kernel.errors import InvalidInput

HEADER = "time,trade_id,side,price,quantity"
FIRST = datetime(2019, 10, 11, 0, 0, 10, tzinfo=UTC)
ROWS = (
    "2019-10-11T00:00:10.000Z,1,sell,0.00141342,23",
    "2019-10-11T00:00:20.500Z,2,buy,0.00141400,5",
    "2019-10-11T00:01:10.000Z,3,buy,0.00141500,7",
)


def recording(tmp_path: Path, *rows: str, header: str = HEADER, quotes: str | None = None) -> Recording:
    trades = tmp_path / "trades.csv.gz"
    with gzip.open(trades, "wt") as file:
        file.write("\n".join([header, *rows]) + "\n")
    if quotes is None:
        return Recording("X", trades)
    (tmp_path / "quotes.csv").write_text(quotes)
    return Recording("X", trades, tmp_path / "quotes.csv")


def feed(found: Recording, **changes: Any) -> ReplayFeed:
    instrument = facts(symbol="X", tick_size=Decimal("0.00000001"))
    options: dict[str, Any] = {"speed": None, "spread_bps": Decimal(10)}
    return ReplayFeed(instrument, found, **options | changes)


def trades_in(events: Any) -> list[FeedTrade]:
    return [event for event in events if isinstance(event, FeedTrade)]


def everything(found: ReplayFeed) -> list[FeedEvent]:
    found.start(AT)
    return list(found.poll(AT))


def test_trades_keep_the_files_own_numbers_and_times(tmp_path: Path) -> None:
    played = trades_in(everything(feed(recording(tmp_path, *ROWS))))
    assert [(one.executed_at, one.price, one.quantity, one.trade_id, one.side) for one in played] == [
        (FIRST, Decimal("0.00141342"), Decimal(23), "1", "sell"),
        (FIRST + timedelta(seconds=10.5), Decimal("0.00141400"), Decimal(5), "2", "buy"),
        (FIRST + timedelta(seconds=60), Decimal("0.00141500"), Decimal(7), "3", "buy"),
    ]


def test_each_trade_without_a_quote_makes_one_half_the_spread_to_either_side(tmp_path: Path) -> None:
    made = [event for event in everything(feed(recording(tmp_path, ROWS[2]))) if isinstance(event, FeedQuote)]
    assert [(one.bid, one.ask, one.is_synthetic) for one in made] == [
        (Decimal("0.00141429"), Decimal("0.00141571"), True)  # 0.001415 -+ 5 bp, outwards to the tick
    ]


@pytest.mark.parametrize(("speed", "played"), [("1", [1, 1, 2, 2]), ("2", [1, 2, 2, 2]), ("6", [1, 3, 3, 3])])
def test_a_trade_is_played_when_its_time_has_come(tmp_path: Path, speed: str, played: list[int]) -> None:
    found = feed(recording(tmp_path, *ROWS), speed=speed_of(speed))
    found.start(AT)
    counted, total = [], 0
    for seconds in (0, 10, 20, 25):
        total += len(trades_in(found.poll(AT + timedelta(seconds=seconds))))
        counted.append(total)
    assert counted == played


def test_between_trades_the_quote_is_confirmed_and_after_the_end_it_is_not(tmp_path: Path) -> None:
    found = feed(recording(tmp_path, *ROWS), speed=Decimal(1))
    found.start(AT)
    found.poll(AT)
    assert [type(event) for event in found.poll(AT + timedelta(seconds=2))] == [FeedHeartbeat]
    found.poll(AT + timedelta(seconds=60))
    assert found.is_over
    assert found.poll(AT + timedelta(seconds=70)) == []


def test_a_clock_set_back_neither_stops_the_recording_nor_its_confirmations(tmp_path: Path) -> None:
    found = feed(recording(tmp_path, *ROWS), speed=Decimal(1))
    found.start(AT)
    found.poll(AT)
    back = AT - timedelta(hours=1)
    assert [type(event) for event in found.poll(back)] == [FeedHeartbeat]
    assert len(trades_in(found.poll(back + timedelta(seconds=11)))) == 1


def test_a_loop_rewinds_before_each_further_pass(tmp_path: Path) -> None:
    found = feed(recording(tmp_path, *ROWS), is_looped=True)
    found.start(AT)
    passes = [list(found.poll(AT + timedelta(seconds=second))) for second in range(3)]
    assert [len(trades_in(events)) for events in passes] == [3, 3, 3]
    assert passes[1][0] == FeedRewind(symbol="X", pass_number=2)
    assert passes[2][0] == FeedRewind(symbol="X", pass_number=3)
    assert not any(isinstance(event, FeedRewind) for event in passes[0])


def test_quotes_in_the_trades_file_are_used_as_they_are(tmp_path: Path) -> None:
    row = "2019-10-11T00:00:10Z,1,buy,10.5,2,10.4,10.6,7"
    events = everything(feed(recording(tmp_path, row, header=HEADER + ",bid,ask,bid_size")))
    made = [event for event in events if isinstance(event, FeedQuote)]
    assert [(one.bid, one.ask, one.bid_size, one.is_synthetic) for one in made] == [
        (Decimal("10.4"), Decimal("10.6"), Decimal(7), False)
    ]


def test_quotes_of_a_second_file_are_played_between_the_trades(tmp_path: Path) -> None:
    quotes = "time,bid,ask,bid_size,ask_size\n2019-10-11T00:00:05Z,1,2,3,4\n2019-10-11T00:00:15Z,1.1,2,3,4\n"
    events = everything(feed(recording(tmp_path, *ROWS, quotes=quotes)))
    kinds = [type(event).__name__ for event in events if isinstance(event, FeedQuote | FeedTrade)]
    assert kinds == ["FeedQuote", "FeedTrade", "FeedQuote", "FeedTrade", "FeedTrade"]


@pytest.mark.parametrize(
    "bad",
    [
        "yesterday,1,buy,1,1",
        "2019-10-11T00:00:15,1,buy,1,1",
        "2019-10-11T00:00:15Z,1,buy,NaN,1",
        "2019-10-11T00:00:15Z,1,buy,-1,1",
        "2019-10-11T00:00:15Z,1,buy,1,0",
        "2019-10-11T00:00:15Z,1,buy,1_000,1",
        "2019-10-11T00:00:15Z,1,buy,1e400,1",
        "2019-10-11T00:00:15Z,1,buy",
        "2019-10-11T00:00:15Z,1,buy,1,1,extra",
        "\x00",
    ],
)
def test_a_malformed_row_is_refused_by_line_and_its_neighbours_are_played(tmp_path: Path, bad: str) -> None:
    found = recording(tmp_path, ROWS[0], bad, *ROWS[1:])
    assert len(trades_in(everything(feed(found)))) == 3
    assert [why.facts["line"] for why in found.refused] == [3]
    assert found.refused_count == 1


def test_times_may_be_milliseconds_since_1970(tmp_path: Path) -> None:
    played = trades_in(everything(feed(recording(tmp_path, "1570752010500,1,buy,1,1"))))
    assert played[0].executed_at == FIRST + timedelta(milliseconds=500)


@pytest.mark.parametrize("header", ["time,price", "a,b,c", "", "zeit,preis,menge"])
def test_a_wrong_header_stops_the_feed_at_once_and_names_what_is_missing(tmp_path: Path, header: str) -> None:
    with pytest.raises(InvalidInput, match="quantity"):
        recording(tmp_path, *ROWS, header=header)


def test_a_missing_file_and_a_false_gzip_are_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        Recording("X", tmp_path / "none.csv")
    (tmp_path / "false.csv.gz").write_text(HEADER)
    with pytest.raises(InvalidInput, match="cannot be read"):
        Recording("X", tmp_path / "false.csv.gz")


def test_a_truncated_gzip_plays_what_is_there_and_says_where_it_ends(tmp_path: Path) -> None:
    whole = recording(tmp_path, *ROWS * 2000)
    path = tmp_path / "trades.csv.gz"
    path.write_bytes(path.read_bytes()[:-20])
    assert len(list(whole.rows())) > 0
    assert whole.refused[-1].facts["problem"] == "unreadable"


def test_a_recording_without_a_usable_row_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no row"):
        feed(recording(tmp_path, "nonsense,1,buy,1,1")).start(AT)


@pytest.mark.parametrize("text", ["0", "-1", "fast", "1e3", "NaN", "", "100001"])
def test_a_speed_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="speed"):
        speed_of(text)
