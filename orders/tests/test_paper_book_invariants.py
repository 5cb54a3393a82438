"""Whatever is sent to a paper venue's book: conservation, price, time, and nobody traded through."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from orders.brokers.paper.book import Book, Outcome, OutcomeKind
from orders.brokers.paper.bookorder import BookOrder
from orders.tests.paper_orders import order
from positions.domain.types import Side

prices = st.integers(95, 105).map(Decimal)
sizes = st.integers(1, 30).map(Decimal)
quotes = st.tuples(st.lists(st.tuples(prices, sizes), max_size=4), st.lists(st.tuples(prices, sizes), max_size=4))
orders = st.tuples(
    st.sampled_from(["buy", "sell"]),
    st.integers(1, 60).map(str),
    st.none() | prices.map(str),
    st.sampled_from(["day", "gtc", "ioc", "fok"]),
)


class Watched:
    """Feed a book, and check after every step what must hold, by plain bookkeeping beside it."""

    def __init__(self) -> None:
        self.book = Book()
        self.left: dict[tuple[Side, Decimal], tuple[Decimal, Decimal]] = {}
        self.working: dict[BookOrder, Decimal] = {}

    def show(self, bids: list[tuple[Decimal, Decimal]], asks: list[tuple[Decimal, Decimal]]) -> None:
        lowest = min((price for price, _ in asks), default=Decimal(1000))
        shown = {(Side.BUY, p): s for p, s in bids if p < lowest} | {(Side.SELL, p): s for p, s in asks}
        self.left = {at: self.left[at] if self.left.get(at, (0,))[0] == s else (s, s) for at, s in shown.items()}
        levels_of = [[(p, s) for (side, p), s in shown.items() if side is wanted] for wanted in (Side.BUY, Side.SELL)]
        self.check(self.book.show(bids=sorted(levels_of[0], reverse=True), asks=sorted(levels_of[1]), is_open=True), {})

    def send(self, each: BookOrder) -> None:
        self.book.add(each)
        self.check(self.book.advance(0), {each: each.quantity})

    def check(self, outcomes: list[Outcome], arriving: dict[BookOrder, Decimal]) -> None:
        before = dict(self.working)
        self.working |= arriving
        traded = [outcome for outcome in outcomes if outcome.kind is OutcomeKind.TRADE]
        self.assert_own_trades_come_in_pairs(traded)
        for outcome in outcomes:
            assert outcome.order in self.working
            if outcome.kind is OutcomeKind.TRADE:
                assert outcome.order.accepts(outcome.price)
                self.working[outcome.order] -= outcome.quantity
                assert self.working[outcome.order] == outcome.leaves >= 0
            if outcome.kind is OutcomeKind.CANCELED or not outcome.leaves:
                del self.working[outcome.order]
        self.assert_better_orders_went_first(traded, before)
        self.assert_best_prices_came_first(traded, before)
        self.assert_nothing_is_left_that_could_trade()

    def assert_own_trades_come_in_pairs(self, traded: list[Outcome]) -> None:
        """Every trade takes its quantity from another order of ours, or from what is displayed and still there."""
        waiting = list(traded)
        while waiting:
            one = waiting.pop(0)
            two = waiting[0] if waiting else one
            if two.order.side is not one.order.side and (two.quantity, two.price) == (one.quantity, one.price):
                waiting.pop(0)
                continue
            at = (Side.SELL if one.order.side is Side.BUY else Side.BUY), one.price
            size, left = self.left[at]
            assert left >= one.quantity
            self.left[at] = size, left - one.quantity

    def assert_better_orders_went_first(self, traded: list[Outcome], before: dict[BookOrder, Decimal]) -> None:
        """Of those who rested on a side, nobody with a better price, or as good and longer there, was left behind."""
        since = {each: number for number, each in enumerate(before)}
        for rested in (outcome.order for outcome in traded if outcome.order in before and outcome.order.limit_price):
            mine = (rested.limit_price * -rested.side.sign, since[rested])
            for each in before:
                if each.side is rested.side and each.limit_price and each in self.working:
                    assert (each.limit_price * -each.side.sign, since[each]) >= mine

    def assert_best_prices_came_first(self, traded: list[Outcome], before: dict[BookOrder, Decimal]) -> None:
        """Who arrives trades at the best price first, whoever offers it; resting market orders have no price."""
        takes = [outcome for outcome in traded if outcome.order not in before]
        if all(each.limit_price for each in before):
            paid = [outcome.price * outcome.order.side.sign for outcome in takes]
            assert paid == sorted(paid)

    def assert_nothing_is_left_that_could_trade(self) -> None:
        """No two orders of ours cross, and no order of ours crosses what is displayed: nobody was traded through."""
        for each in self.working:
            against = Side.SELL if each.side is Side.BUY else Side.BUY
            shown = [price for (side, price), (_, left) in self.left.items() if side is against and left]
            assert not [price for price in shown if each.accepts(price)]
            rivals = [other.limit_price for other in self.working if other.side is against and other.limit_price]
            assert each.limit_price is None or not [price for price in rivals if each.accepts(price)]


@given(st.lists(orders | quotes, max_size=40))
def test_whatever_happens_what_is_bought_is_sold_and_price_and_time_decide(steps: list[tuple]):
    watched = Watched()
    for step in steps:
        if len(step) == 2:
            watched.show(list(dict(step[0]).items()), list(dict(step[1]).items()))
        else:
            watched.send(order(*step))


@given(st.lists(orders | quotes, max_size=30), st.integers(0, 29))
def test_an_order_that_was_removed_leaves_no_trace(steps: list[tuple], which: int):
    book, sent = Book(), []
    for step in steps:
        if len(step) == 2:
            asks = sorted(dict(step[1]).items())
            bids = sorted(dict(step[0]).items(), reverse=True)
            book.show(bids=[b for b in bids if not asks or b[0] < asks[0][0]], asks=asks, is_open=True)
        else:
            sent.append(order(*step))
            book.add(sent[-1])
            book.advance(0)
    for each in sent[which:] + sent[:which]:
        book.remove(each)
    assert book.is_empty
