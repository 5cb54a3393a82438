"""The contract of every broker adapter: a venue's test class inherits BrokerContract and brings a VenueScript.

A script says how its venue is made to act; what a venue cannot do stands, with the reason, in the script's `lacks`,
and a contract test that needs it names that reason when it is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from orders.brokers.protocol import VenueOrder
from orders.domain.types import OrderType, TimeInForce
from orders.tests.changes_contract import ChangesContract
from orders.tests.line_contract import LineContract
from orders.tests.venue_line import Line, everything, replacing
from orders.tests.venue_script import Ability, VenueScript, needs
from positions.domain.types import Side


@pytest.mark.django_db
class BrokerContract(ChangesContract, LineContract):
    """What holds at every venue; the venue's own class brings the fixture `driver`, a VenueScript."""

    @pytest.fixture
    def line(self, driver: VenueScript) -> Iterator[Line]:
        if Ability.MARKET not in driver.lacks:
            driver.show(bids=[("99.9", "100"), ("99.8", "200")], asks=[("100.1", "100"), ("100.2", "200")])
        line = Line(driver.adapter())
        yield line
        line.close()

    @pytest.fixture
    def order(self, driver: VenueScript) -> Callable[..., VenueOrder]:
        def make(side: str, quantity: str, limit: str | None = None, tif: str = "day", **other: Any) -> VenueOrder:
            return VenueOrder(
                order_id=other.get("order_id") or uuid4(),
                symbol=other.get("symbol") or driver.symbol,
                side=Side(side),
                order_type=OrderType.LIMIT if limit else OrderType.MARKET,
                time_in_force=TimeInForce(tif),
                quantity=Decimal(quantity),
                limit_price=Decimal(limit) if limit else None,
            )

        return make

    @pytest.fixture
    def resting(self, line: Line, order: Callable[..., VenueOrder]) -> VenueOrder:
        """Give an order to buy 10 at 90 that the venue has acknowledged."""
        sent = order("buy", "10", "90", "gtc")
        line.submit(sent)
        line.until_kinds(sent, "new")
        return sent

    # What a market does

    @pytest.mark.parametrize(("side", "limit"), [("buy", None), ("buy", "100.1"), ("sell", None), ("sell", "99.9")])
    def test_a_marketable_order_is_acknowledged_and_filled(self, driver, line, order, side, limit):
        needs(driver, Ability.MARKET)
        marketable = order(side, "100", limit)
        line.submit(marketable)
        line.until_kinds(marketable, "new", "trade")
        trade = line.of(marketable)[1]
        assert (trade.quantity, trade.price) == (100, Decimal("100.1" if side == "buy" else "99.9"))

    def test_an_order_larger_than_the_market_is_filled_in_parts_and_the_rest_can_be_canceled(self, driver, line, order):
        needs(driver, Ability.MARKET)
        large = order("buy", "500", "100.2", "gtc")
        line.submit(large)
        line.until_kinds(large, "new", "trade", "trade")
        line.cancel(large)
        line.until_kinds(large, "new", "trade", "trade", "canceled")
        assert line.filled(large) == 300

    def test_a_resting_order_fills_when_the_market_comes_to_it(self, line, order, driver):
        needs(driver, Ability.MARKET)
        resting = order("sell", "50", "105", "gtc")
        line.submit(resting)
        line.until_kinds(resting, "new")
        driver.show(bids=[("105.5", "20"), ("105", "100")], asks=[("106", "10")])
        line.until(lambda: line.filled(resting) == 50)
        assert [(str(r.quantity), str(r.price)) for r in line.of(resting)[1:]] == [("20", "105.5"), ("30", "105")]

    def test_ioc_fills_what_it_can_and_the_rest_is_canceled(self, driver, line, order):
        needs(driver, Ability.MARKET)
        immediate = order("buy", "150", "100.1", "ioc")
        line.submit(immediate)
        line.until_kinds(immediate, "new", "trade", "canceled")
        assert line.filled(immediate) == 100

    def test_fok_fills_whole_or_not_at_all(self, driver, line, order):
        needs(driver, Ability.MARKET)
        too_large, fitting = order("buy", "301", "100.2", "fok"), order("buy", "300", "100.2", "fok")
        line.submit(too_large)
        line.until_kinds(too_large, "new", "canceled")
        line.submit(fitting)
        line.until(lambda: line.filled(fitting) == 300)

    # Submit

    def test_a_limit_order_away_from_the_market_is_acknowledged_and_rests(self, line, resting):
        (report,) = line.of(resting)
        assert report.venue == line.adapter.name
        assert report.venue_order_id
        assert report.exec_id

    def test_fills_come_in_parts_and_add_up(self, driver, line, resting):
        driver.fill(resting, "4", "89.5")
        line.until_kinds(resting, "new", "trade")
        driver.fill(resting, "6", "89.4")
        line.until_kinds(resting, "new", "trade", "trade")
        trades = line.of(resting)[1:]
        assert [(str(t.quantity), str(t.price)) for t in trades] == [("4", "89.5"), ("6", "89.4")]
        assert len({t.exec_id for t in trades}) == 2

    def test_an_order_for_an_unknown_symbol_is_rejected_with_a_reason_and_its_neighbours_work(self, line, order):
        strange, good = order("buy", "10", "90", symbol="NO-SUCH"), order("buy", "10", "90")
        line.submit(strange, good)
        line.until_kinds(strange, "rejected")
        line.until_kinds(good, "new")
        assert line.of(strange)[0].reason

    def test_an_order_sent_again_is_answered_with_its_state_and_works_once(self, driver, line, order):
        once = order("buy", "30", "90", "gtc")
        line.submit(once, once)
        line.until_once(once, "new")
        driver.fill(once, "30", "89.5")
        line.until(lambda: line.filled(once) == 30)
        told = len(line.of(once))
        line.submit(once)
        line.until(lambda: len(line.of(once)) >= told + 2)
        assert line.kinds(once)[told:] == ["new", "trade"]
        assert line.once(once) == ["new", "trade"]

    def test_a_fill_may_come_before_the_acknowledgement(self, driver, line, order):
        needs(driver, Ability.FILL_EARLY)
        driver.fill_early("10", "89.5")
        early = order("buy", "10", "90")
        line.submit(early)
        line.until(lambda: line.filled(early) == 10)
        assert set(line.once(early)) <= {"new", "trade"}

    def test_a_report_that_comes_twice_changes_nothing(self, driver, line, resting):
        needs(driver, Ability.REPEAT)
        driver.fill(resting, "4", "89.5")
        line.until_kinds(resting, "new", "trade")
        driver.repeat(resting)
        driver.fill(resting, "6", "89.4")
        line.until(lambda: line.filled(resting) == 10)
        assert line.once(resting) == ["new", "trade", "trade"]

    # Query and drop copy

    def test_a_query_returns_every_report_so_far_and_says_what_was_never_heard_of(self, driver, line, order, resting):
        driver.fill(resting, "10", "89.5")
        line.until_kinds(resting, "new", "trade")
        unknown = order("buy", "10")
        said = [(report.order_id, report.kind.value, report.exec_id) for report in line.query(resting, unknown)]
        assert said[:2] == [(resting.order_id, r.kind.value, r.exec_id) for r in line.of(resting)]
        assert said[2:] == [(unknown.order_id, "status_unknown_order", None)]

    def test_a_query_follows_an_order_through_its_replaces(self, driver, line, resting):
        needs(driver, Ability.REPLACE)
        line.replace(replacing(resting, "12", "90"))
        line.until_kinds(resting, "new", "replaced")
        driver.fill(resting, "12", "89.5")
        line.until_kinds(resting, "new", "replaced", "trade")
        assert [(r.kind, r.exec_id) for r in line.query(resting)] == [(r.kind, r.exec_id) for r in line.of(resting)]

    def test_the_drop_copy_has_every_report_once_in_order_from_any_point(self, driver, line, order):
        start = everything(line, 0)[1]
        orders = [order("buy", "1", "90") for _ in range(8)]
        line.submit(*orders)
        line.until(lambda: len(line.reports) == 8)
        for number, each in enumerate(orders):
            driver.fill(each, "1", f"89.{number + 1}")
            line.until(lambda number=number: len(line.reports) == 9 + number)
        copied, _ = everything(line, start)
        assert [r.exec_id for r in copied] == [r.exec_id for r in line.reports]

    def test_the_drop_copy_keeps_its_numbers_over_a_restart_of_the_adapter(self, driver, line, resting):
        before = everything(line, 0)
        line.run(line.adapter.stop())
        again = Line(driver.adapter())
        try:
            assert [r.exec_id for r in everything(again, 0)[0]] == [r.exec_id for r in before[0]]
            driver.fill(resting, "10", "89.5")
            again.until_once(resting, "trade")
            assert [r.kind.value for r in everything(again, before[1])[0]] == ["trade"]
        finally:
            again.close()
