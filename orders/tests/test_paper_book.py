"""The paper venue's matching: price, time, displayed size and time in force."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.brokers.paper.book import Book, BookOrder, Outcome, OutcomeKind
from orders.domain.types import OrderType, TimeInForce
from positions.domain.types import Side

_arrivals = count(1)


def d(text: str) -> Decimal:
    return Decimal(text)


def order(side: str, quantity: str, limit: str | None = None, tif: str = "day", ready_at: float = 0) -> BookOrder:
    return BookOrder(
        order_id=uuid4(),
        symbol="AAPL",
        side=Side(side),
        order_type=OrderType.LIMIT if limit else OrderType.MARKET,
        time_in_force=TimeInForce(tif),
        quantity=d(quantity),
        limit_price=d(limit) if limit else None,
        arrival=next(_arrivals),
        ready_at=ready_at,
    )


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


prices = st.integers(95, 105).map(Decimal)
sizes = st.integers(1, 30).map(Decimal)
sides = st.lists(st.tuples(prices, sizes), max_size=4)
orders = st.tuples(
    st.sampled_from(["buy", "sell"]),
    st.integers(1, 60).map(str),
    st.none() | prices.map(str),
    st.sampled_from(["day", "gtc", "ioc", "fok"]),
)


@given(st.lists(orders | st.tuples(sides, sides), max_size=30))
def test_whatever_happens_no_order_is_overfilled_and_no_level_sold_twice(steps: list[tuple]):
    book, shown = Book(), {Side.BUY: [], Side.SELL: []}
    taken: dict[tuple[Side, Decimal], Decimal] = {}
    for step in steps:
        if len(step) == 2:
            bids = sorted(dict(step[0]).items(), reverse=True)
            asks = sorted(dict(step[1]).items())
            for side, new in ((Side.BUY, bids), (Side.SELL, asks)):
                kept = set(new) & set(shown[side])
                taken = {k: v for k, v in taken.items() if k[0] is not side or any(k[1] == p for p, _ in kept)}
                shown[side] = new
            outcomes = book.show(bids=bids, asks=asks, is_open=True)
        else:
            book.add(order(*step))
            outcomes = book.advance(0)
        for outcome in outcomes:
            assert outcome.order.filled <= outcome.order.quantity
            if outcome.kind is OutcomeKind.TRADE:
                assert outcome.order.accepts(outcome.price)
                side = Side.SELL if outcome.order.side is Side.BUY else Side.BUY
                key = (side, outcome.price)
                taken[key] = taken.get(key, Decimal(0)) + outcome.quantity
                assert taken[key] <= dict(shown[side])[outcome.price]
