"""The paper venue's matching: price, time, displayed size and time in force."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from orders.brokers.paper.book import Book, Outcome, OutcomeKind
from orders.brokers.paper.bookorder import BookOrder
from orders.domain.types import OrderType
from orders.tests.paper_orders import d, order


def levels(*pairs: str) -> list[tuple[Decimal, Decimal]]:
    return [(d(price), d(size)) for price, size in (pair.split("x") for pair in pairs)]


BIDS, ASKS = levels("99.9x100", "99.8x200"), levels("100.1x100", "100.2x200")


def quoted_book(is_open: bool = True) -> Book:
    book = Book()
    book.show(bids=BIDS, asks=ASKS, is_open=is_open)
    return book


def trades(outcomes: list[Outcome]) -> list[tuple[str, str]]:
    return [(str(o.quantity), str(o.price)) for o in outcomes if o.kind is OutcomeKind.TRADE]


def test_a_market_order_walks_the_displayed_depth():
    book, bought = quoted_book(), order("buy", "150")
    book.add(bought)
    assert trades(book.advance(0)) == [("100", "100.1"), ("50", "100.2")]
    assert bought.leaves == 0
    assert book.is_empty


def test_a_market_order_larger_than_the_depth_goes_on_with_the_next_quote():
    book, sold = quoted_book(), order("sell", "350", tif="gtc")
    book.add(sold)
    assert trades(book.advance(0)) == [("100", "99.9"), ("200", "99.8")]
    assert trades(book.show(bids=levels("99.7x20"), asks=ASKS, is_open=True)) == [("20", "99.7")]
    assert trades(book.show(bids=levels("99.6x90"), asks=ASKS, is_open=True)) == [("30", "99.6")]
    assert book.is_empty


@pytest.mark.parametrize(("side", "limit", "price"), [("buy", "100.15", "100.1"), ("sell", "99.85", "99.9")])
def test_a_limit_order_fills_at_the_quotes_price_and_rests_beyond_its_limit(side: str, limit: str, price: str):
    book, limited = quoted_book(), order(side, "150", limit)
    book.add(limited)
    assert trades(book.advance(0)) == [("100", price)]
    assert limited.leaves == 50
    assert not book.is_empty


def test_a_resting_buy_fills_when_the_ask_comes_down_to_it_at_the_asks_price():
    book = quoted_book()
    book.add(order("buy", "10", "99"))
    assert book.advance(0) == []
    assert book.show(bids=levels("98x1"), asks=levels("99.01x50"), is_open=True) == []
    assert trades(book.show(bids=levels("98x1"), asks=levels("98.5x50"), is_open=True)) == [("10", "98.5")]


def test_resting_orders_fill_by_price_then_by_arrival():
    book = quoted_book()
    late_but_better, first, second = order("buy", "10", "99.5"), order("buy", "10", "99"), order("buy", "10", "99")
    for resting in (first, second, late_but_better):
        book.add(resting)
    book.advance(0)
    outcomes = book.show(bids=levels("98x1"), asks=levels("98.9x25"), is_open=True)
    assert [(o.order, o.quantity) for o in outcomes] == [(late_but_better, 10), (first, 10), (second, 5)]


def test_liquidity_that_was_taken_is_not_there_again_until_the_level_changes():
    book = quoted_book()
    book.add(order("buy", "100", "100.1"))
    assert trades(book.advance(0)) == [("100", "100.1")]
    book.add(order("buy", "100", "100.1"))
    assert book.advance(0) == []
    assert book.show(bids=BIDS, asks=ASKS, is_open=True) == []
    assert trades(book.show(bids=BIDS, asks=levels("100.1x30"), is_open=True)) == [("30", "100.1")]


def test_ioc_fills_what_it_can_and_cancels_the_rest():
    book, immediate = quoted_book(), order("buy", "150", "100.1", "ioc")
    book.add(immediate)
    trade, end = book.advance(0)
    assert (trade.quantity, trade.price) == (100, d("100.1"))
    assert end.kind is OutcomeKind.CANCELED
    assert book.is_empty


@pytest.mark.parametrize(("quantity", "kinds"), [("300", ["trade", "trade"]), ("301", ["canceled"])])
def test_fok_is_all_or_nothing(quantity: str, kinds: list[str]):
    book = quoted_book()
    book.add(order("buy", quantity, "100.2", "fok"))
    assert [o.kind for o in book.advance(0)] == kinds
    assert book.is_empty


def test_a_refused_fok_leaves_the_liquidity_to_others():
    book = quoted_book()
    book.add(order("buy", "301", tif="fok"))
    book.add(order("buy", "300"))
    assert trades(book.advance(0)) == [("100", "100.1"), ("200", "100.2")]


def test_an_order_trades_only_once_it_is_ready():
    book = quoted_book()
    book.add(order("buy", "10", ready_at=5))
    assert book.advance(4.9) == []
    assert book.next_ready_at == 5
    assert trades(book.advance(5)) == [("10", "100.1")]


@pytest.mark.parametrize("ready_at", [0, 9])
def test_a_removed_order_never_trades(ready_at: float):
    book = quoted_book()
    gone, stays = order("buy", "10", "99", ready_at=ready_at), order("buy", "10", "99", ready_at=ready_at)
    book.add(gone)
    book.add(stays)
    book.advance(0)
    book.remove(gone)
    book.advance(9)
    outcomes = book.show(bids=[], asks=levels("98x50"), is_open=True)
    assert [o.order for o in outcomes] == [stays]


def test_nothing_trades_while_the_market_is_closed_or_without_a_price():
    book = quoted_book(is_open=False)
    book.add(order("buy", "10"))
    book.add(order("buy", "10", "101", "ioc"))
    assert [o.kind for o in book.advance(0)] == [OutcomeKind.CANCELED]
    book.forget_quote()
    assert not book.has_quote
    assert trades(book.show(bids=BIDS, asks=ASKS, is_open=True)) == [("10", "100.1")]


def stop(side: str, quantity: str, at: str, limit: str | None = None, **other: Any) -> BookOrder:
    made = order(side, quantity, limit, other.pop("tif", "gtc"))
    made.order_type = OrderType.STOP_LIMIT if limit else OrderType.STOP
    made.stop_price = d(at)
    return made


def trailing(side: str, quantity: str, **trail: str) -> BookOrder:
    made = order(side, quantity, tif="gtc")
    made.order_type = OrderType.TRAILING_STOP
    for name, value in trail.items():
        setattr(made, name, d(value))
    return made


def rested(book: Book, *orders: BookOrder) -> None:
    for each in orders:
        book.add(each)
    assert trades(book.advance(0)) == []


def kinds(outcomes: list[Outcome]) -> list[tuple[str, BookOrder]]:
    return [(outcome.kind.value, outcome.order) for outcome in outcomes]


def test_two_own_orders_trade_with_each_other_at_the_resting_ones_price():
    book, resting, taker = quoted_book(), order("buy", "30", "100"), order("sell", "20", "99.95")
    rested(book, resting)
    book.add(taker)
    outcomes = book.advance(0)
    assert [(o.order, str(o.quantity), str(o.price)) for o in outcomes] == [
        (resting, "20", "100"),
        (taker, "20", "100"),
    ]
    assert (resting.leaves, taker.leaves) == (10, 0)


def test_the_better_price_goes_first_be_it_displayed_or_an_own_order():
    book, inside, beyond = quoted_book(), order("sell", "10", "100"), order("sell", "10", "100.15")
    rested(book, beyond, inside)
    book.add(buyer := order("buy", "130", "100.2"))
    outcomes = [o for o in book.advance(0) if o.order is buyer]
    assert trades(outcomes) == [("10", "100"), ("100", "100.1"), ("10", "100.15"), ("10", "100.2")]


def test_at_one_price_what_is_displayed_goes_before_own_orders():
    book, own = quoted_book(), order("sell", "10", "100.1")
    rested(book, own)
    book.add(order("buy", "100", "100.1"))
    assert trades(book.advance(0)) == [("100", "100.1")]
    book.add(order("buy", "4", "100.1"))
    assert trades(book.advance(0)) == [("4", "100.1"), ("4", "100.1")]
    assert own.filled == 4


def test_a_market_order_trades_with_own_orders_only_within_the_displayed_depth():
    book = quoted_book()
    rested(book, order("sell", "10", "150"))
    book.add(order("buy", "310"))
    assert trades(book.advance(0)) == [("100", "100.1"), ("200", "100.2")]
    assert trades(book.show(bids=BIDS, asks=levels("151x1"), is_open=True)) == [("10", "150"), ("10", "150")]


def test_a_resting_market_order_trades_with_the_next_own_order_at_a_sound_price():
    book = quoted_book()
    book.add(left := order("buy", "310"))
    book.advance(0)
    book.add(order("sell", "1", "140"))
    assert book.advance(0) == []
    book.add(order("sell", "4", "100.15"))
    book.add(order("sell", "6", "1"))
    assert trades([o for o in book.advance(0) if o.order is left]) == [("4", "100.15"), ("6", "99.9")]


def test_orders_of_one_account_never_trade_with_each_other_and_the_newer_one_ends():
    account, book = uuid4(), quoted_book()
    resting, other, taker = order("buy", "10", "100"), order("buy", "5", "100.05"), order("sell", "20", "99.95")
    resting.account_id = taker.account_id = account
    rested(book, resting, other)
    book.add(taker)
    outcomes = book.advance(0)
    assert kinds(outcomes) == [("trade", other), ("trade", taker), ("canceled", taker)]
    assert outcomes[-1].reason == "SELF_TRADE"
    assert (resting.filled, taker.filled) == (0, 5)


def test_fok_counts_own_orders_as_well():
    book = quoted_book()
    rested(book, order("sell", "50", "100.05"))
    book.add(order("buy", "151", "100.1", "fok"))
    book.add(filled := order("buy", "150", "100.1", "fok"))
    assert book.advance(0)[0].kind is OutcomeKind.CANCELED
    assert filled.leaves == 0


def test_fills_come_in_slices_where_the_venue_gives_no_more_at_a_time():
    book, bought = quoted_book(), order("buy", "70", "100.1")
    bought.slice = d("30")
    book.add(bought)
    assert trades(book.advance(0)) == [("30", "100.1"), ("30", "100.1"), ("10", "100.1")]


@pytest.mark.parametrize(
    ("side", "at", "before", "beyond"), [("sell", "95", "95.01", "95"), ("buy", "105", "104.99", "106")]
)
def test_a_stop_waits_for_the_last_trade_and_leaves_the_book_when_it_comes(side, at, before, beyond):
    book, waiting = quoted_book(), stop(side, "10", at)
    rested(book, waiting)
    assert book.show(bids=BIDS, asks=ASKS, is_open=True, last=d(before)) == []
    assert book.show(bids=BIDS, asks=ASKS, is_open=False, last=d(beyond)) == []
    assert kinds(book.show(bids=BIDS, asks=ASKS, is_open=True, last=d(beyond))) == [("triggered", waiting)]
    assert book.is_empty
    book.add(waiting)
    assert trades(book.advance(0)) == [("10", "99.9" if side == "sell" else "100.1")]


def test_a_stop_whose_price_has_come_before_it_is_triggered_on_arrival():
    book, late = Book(), stop("sell", "10", "101", "99.9")
    book.show(bids=BIDS, asks=ASKS, is_open=True, last=d("100"))
    book.add(late)
    assert kinds(book.advance(0)) == [("triggered", late)]


@pytest.mark.parametrize(
    ("side", "trail", "prices", "marks", "trigger"),
    [
        ("sell", {"trail_price": "2"}, ["100", "103", "101.01", "101"], ["100", "103", "103", "103"], "101"),
        ("buy", {"trail_price": "2"}, ["100", "97", "98.9", "99"], ["100", "97", "97", "97"], "99"),
        ("sell", {"trail_percent": "10"}, ["100", "110", "99.01", "99"], ["100", "110", "110", "110"], "99"),
    ],
)
def test_a_trailing_stop_follows_the_best_price_and_is_triggered_behind_it(side, trail, prices, marks, trigger):
    book, following = quoted_book(), trailing(side, "10", **trail)
    rested(book, following)
    seen = []
    for last in prices:
        outcomes = book.show(bids=BIDS, asks=ASKS, is_open=True, last=d(last))
        seen.append((str(following.mark), [outcome.kind.value for outcome in outcomes]))
    assert [mark for mark, _ in seen] == marks
    assert [said for _, said in seen] == [["marked"], ["marked"], [], ["triggered"]]
    assert following.trigger_price == d(trigger)


def test_outside_the_session_only_orders_for_extended_hours_trade():
    book, regular, extended = quoted_book(is_open=False), order("buy", "10", "101"), order("buy", "10", "101")
    extended.extended_hours = True
    book.add(regular)
    book.add(extended)
    assert [(o.order, str(o.price)) for o in book.advance(0)] == [(extended, "100.1")]
    assert [o.order for o in book.show(bids=BIDS, asks=ASKS, is_open=True)] == [regular]


def test_orders_that_crossed_while_the_market_was_closed_meet_when_it_opens():
    book, buyer, seller = quoted_book(is_open=False), order("buy", "10", "100.05"), order("sell", "10", "99.95")
    rested(book, buyer, seller)
    assert trades(book.show(bids=BIDS, asks=ASKS, is_open=True)) == [("10", "99.95"), ("10", "99.95")]
