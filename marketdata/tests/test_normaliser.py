"""What a feed may say, and what is dropped with a reason."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from marketdata.domain.normaliser import Standing
from marketdata.domain.types import FeedDepth, FeedHeartbeat, FeedRewind, LastClose, PriceUpdate
from marketdata.tests.support import AT, quote, trade
from trading_portal.kernel.errors import Reason

SECOND = timedelta(seconds=1)


def standing() -> Standing:
    found = Standing("X")
    found.fold(quote("X", "99", "101"), AT)
    found.fold(trade("X", "100", "3"), AT)
    return found


def shown(found: Standing) -> PriceUpdate:
    price = found.price()
    assert price is not None
    return price


def depth(bids: list[tuple[Any, Any]], asks: list[tuple[Any, Any]]) -> FeedDepth:
    return FeedDepth(symbol="X", bids=_levels(bids), asks=_levels(asks), quoted_at=AT)


def _levels(levels: list[tuple[Any, Any]]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(size)) for price, size in levels]


def test_a_quote_and_a_trade_make_a_price() -> None:
    price = standing().price()
    assert price is not None
    assert (price.bid, price.ask, price.last, price.last_size) == (Decimal(99), Decimal(101), Decimal(100), Decimal(3))
    assert (price.executed_at, price.received_at) == (AT, AT)


def test_without_a_quote_there_is_no_price() -> None:
    found = Standing("X")
    found.fold(trade("X", "100"), AT)
    assert found.price() is None


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1", "0", "-0", "1e400", "1e12", "1e-11"])
def test_an_unusable_number_is_dropped_and_what_stands_keeps_standing(number: str) -> None:
    found = standing()
    before = found.price()
    for event in (trade("X", number), trade("X", "100", number), quote("X", number, "101"), quote("X", "99", number)):
        if number == "1e12" and event.__class__.__name__ == "FeedQuote":
            continue
        assert isinstance(found.fold(event, AT + SECOND), Reason), event
    assert found.price() == before


def test_a_crossed_quote_is_dropped_and_a_locked_one_taken() -> None:
    found = standing()
    outcome = found.fold(quote("X", "101", "100.99"), AT)
    assert isinstance(outcome, Reason)
    assert outcome.code == "FEED_QUOTE_CROSSED"
    assert found.fold(quote("X", "100", "100"), AT) is None


def test_a_trade_without_a_zone_is_dropped() -> None:
    outcome = standing().fold(trade("X", "100", at=datetime(2026, 1, 1)), AT)  # noqa: DTZ001
    assert isinstance(outcome, Reason)
    assert outcome.code == "FEED_TIME_WITHOUT_ZONE"


@pytest.mark.parametrize(
    ("bids", "asks"),
    [
        ([(99, 1), (99, 1)], []),
        ([(98, 1), (99, 1)], []),
        ([], [(101, 1), (100, 1)]),
        ([(99, -1)], []),
        ([(102, 1)], [(101, 1)]),
        ([("NaN", 1)], []),
    ],
)
def test_a_book_that_makes_no_sense_is_dropped(bids: list[Any], asks: list[Any]) -> None:
    assert isinstance(standing().fold(depth(bids, asks), AT), Reason)


def test_a_book_keeps_ten_levels_and_none_that_the_quote_has_left_behind() -> None:
    found = standing()
    assert found.fold(depth([(99 - n, 1) for n in range(15)], [(101 + n, 1) for n in range(15)]), AT) is None
    found.fold(quote("X", "95", "103"), AT)
    price = shown(found)
    assert (len(price.bids), len(price.asks)) == (6, 8)
    assert price.bids[0][0] == 95


def test_an_older_trade_counts_but_does_not_become_the_last() -> None:
    found = standing()
    assert found.fold(trade("X", "50", at=AT - SECOND), AT + SECOND) is not None
    price = shown(found)
    assert price.last == 100


def test_only_a_quote_or_the_feeds_word_says_that_the_quote_still_stands() -> None:
    found = standing()
    found.fold(trade("X", "100"), AT + SECOND)
    assert shown(found).received_at == AT
    found.fold(FeedHeartbeat(symbols=("X",), at=AT), AT + 2 * SECOND)
    assert shown(found).received_at == AT + 2 * SECOND


def test_the_first_trade_of_a_day_makes_the_last_one_of_the_day_before_the_previous_close() -> None:
    found = standing()
    found.fold(trade("X", "120", at=AT + timedelta(days=1)), AT)
    assert shown(found).previous_close == 100


def test_a_restart_goes_on_from_the_last_price_known() -> None:
    found = Standing("X")
    found.seed(LastClose(Decimal(77), AT))
    found.fold(quote("X", "76", "78"), AT)
    assert shown(found).last == 77


def test_after_a_rewind_older_trades_are_the_last_again() -> None:
    found = standing()
    found.fold(FeedRewind(symbol="X", pass_number=2), AT)
    assert found.price() is None
    found.fold(quote("X", "49", "51"), AT)
    found.fold(trade("X", "50", at=AT - timedelta(days=2)), AT)
    assert shown(found).last == 50
