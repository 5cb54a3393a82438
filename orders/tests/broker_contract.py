"""The contract of every broker adapter: a venue's test class inherits BrokerContract and brings a VenueScript.

A script says how its venue is made to act; what a venue cannot do stands, with the reason, in the script's `lacks`,
and a contract test that needs it names that reason when it is left out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from orders.brokers.protocol import VenueGone, VenueOrder
from orders.domain.reports import VenueReport
from orders.domain.types import OrderType, TimeInForce
from orders.tests.venue_line import Line, everything, replacing
from orders.tests.venue_script import Ability, VenueScript, needs
from positions.domain.types import Side


@pytest.mark.django_db
class BrokerContract:
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

    # Cancel

    def test_a_cancel_ends_an_order_and_keeps_what_was_filled(self, driver, line, resting):
        driver.fill(resting, "4", "89.5")
        line.until_kinds(resting, "new", "trade")
        line.cancel(resting)
        line.until_kinds(resting, "new", "trade", "canceled")

    def test_a_cancel_comes_too_late_for_a_filled_order(self, driver, line, resting):
        driver.fill(resting, "10", "89.5")
        line.until_kinds(resting, "new", "trade")
        line.cancel(resting)
        line.until_kinds(resting, "new", "trade", "cancel_rejected")

    def test_a_cancel_of_an_order_the_venue_does_not_know_is_rejected(self, line, order):
        unknown = order("buy", "10")
        line.cancel(unknown)
        line.until_kinds(unknown, "cancel_rejected")

    def test_a_cancel_sent_again_is_answered_again_and_changes_nothing(self, line, resting):
        line.cancel(resting)
        line.until_kinds(resting, "new", "canceled")
        line.cancel(resting)
        line.until_kinds(resting, "new", "canceled", "canceled")
        assert len({r.exec_id for r in line.of(resting)}) == 2

    def test_a_venue_may_refuse_a_cancel_and_work_on(self, driver, line, resting):
        needs(driver, Ability.REFUSE_CANCEL)
        driver.refuse_cancel()
        line.cancel(resting)
        line.until_kinds(resting, "new", "cancel_rejected")
        driver.fill(resting, "10", "89.5")
        line.until_kinds(resting, "new", "cancel_rejected", "trade")

    def test_a_venue_may_cancel_an_order_unasked(self, driver, line, resting):
        needs(driver, Ability.CANCEL_UNASKED)
        driver.cancel_unasked(resting)
        line.until_kinds(resting, "new", "canceled")

    def test_a_fill_that_crossed_the_cancel_is_reported_all_the_same(self, driver, line, resting):
        needs(driver, Ability.FILL_LATE)
        line.cancel(resting)
        line.until_kinds(resting, "new", "canceled")
        driver.fill(resting, "10", "89.5")
        line.until_kinds(resting, "new", "canceled", "trade")

    # Replace

    def test_a_replace_changes_what_works_and_its_answer_names_the_request(self, driver, line, resting):
        needs(driver, Ability.REPLACE)
        asked = replacing(resting, "15", "91")
        line.replace(asked)
        line.until_kinds(resting, "new", "replaced")
        answer = line.of(resting)[1]
        assert (answer.request_id, answer.quantity, answer.price) == (asked.request_id, 15, 91)
        driver.fill(resting, "15", "90.5")
        line.until(lambda: line.filled(resting) == 15)

    def test_the_quantity_of_a_replace_counts_what_was_filled_before(self, driver, line, resting):
        needs(driver, Ability.REPLACE)
        driver.fill(resting, "4", "89.5")
        line.until_kinds(resting, "new", "trade")
        line.replace(replacing(resting, "7", "90"))
        line.until_kinds(resting, "new", "trade", "replaced")
        driver.fill(resting, "3", "89.4")
        line.until(lambda: line.filled(resting) == 7)
        line.cancel(resting)
        line.until_kinds(resting, "new", "trade", "replaced", "trade", "cancel_rejected")

    def test_an_order_can_be_replaced_again_and_canceled(self, driver, line, resting):
        needs(driver, Ability.REPLACE)
        line.replace(replacing(resting, "12", "90"))
        line.until_kinds(resting, "new", "replaced")
        line.replace(replacing(resting, "11", "89"))
        line.until_kinds(resting, "new", "replaced", "replaced")
        line.cancel(resting)
        line.until_kinds(resting, "new", "replaced", "replaced", "canceled")

    def test_a_replace_sent_again_is_answered_again_and_changes_nothing(self, driver, line, resting):
        needs(driver, Ability.REPLACE)
        asked = replacing(resting, "12", "90")
        line.replace(asked)
        line.until_kinds(resting, "new", "replaced")
        line.replace(asked)
        line.until_kinds(resting, "new", "replaced", "replaced")
        assert line.once(resting) == ["new", "replaced"]

    def test_a_replace_of_an_order_that_has_ended_or_was_never_heard_of_is_rejected(self, driver, line, order, resting):
        needs(driver, Ability.REPLACE)
        driver.fill(resting, "10", "89.5")
        line.until_kinds(resting, "new", "trade")
        late, lost = replacing(resting, "10", "89"), replacing(order("buy", "1"), "2", "90")
        line.replace(late, lost)
        line.until_kinds(resting, "new", "trade", "replace_rejected")
        line.until(lambda: any(report.request_id == lost.request_id for report in line.reports))
        answers = [report for report in line.reports if report.request_id]
        assert {(a.order_id, a.request_id, a.kind.value) for a in answers} == {
            (late.order_id, late.request_id, "replace_rejected"),
            (lost.order_id, lost.request_id, "replace_rejected"),
        }

    def test_a_venue_may_refuse_a_replace_and_work_on(self, driver, line, resting):
        needs(driver, Ability.REPLACE, Ability.REFUSE_REPLACE)
        driver.refuse_replace()
        asked = replacing(resting, "12", "90")
        line.replace(asked)
        line.until_kinds(resting, "new", "replace_rejected")
        assert line.of(resting)[1].request_id == asked.request_id
        driver.fill(resting, "10", "89.5")
        line.until_kinds(resting, "new", "replace_rejected", "trade")

    # Busts and corrections

    def test_a_bust_names_the_fill_it_takes_back(self, driver, line, resting):
        needs(driver, Ability.BUST)
        driver.fill(resting, "4", "89.5")
        line.until_kinds(resting, "new", "trade")
        driver.bust(resting)
        line.until_kinds(resting, "new", "trade", "trade_cancel")
        _, trade, bust = line.of(resting)
        assert bust.ref_exec_id == trade.exec_id
        assert bust.exec_id not in (None, trade.exec_id)

    def test_a_correction_names_the_fill_it_corrects(self, driver, line, resting):
        needs(driver, Ability.CORRECT)
        driver.fill(resting, "4", "89.5")
        line.until_kinds(resting, "new", "trade")
        driver.correct(resting, "3", "89.4")
        line.until_kinds(resting, "new", "trade", "trade_correct")
        _, trade, correction = line.of(resting)
        assert correction.ref_exec_id == trade.exec_id
        assert (correction.quantity, correction.price) == (3, Decimal("89.4"))

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

    # The line

    def test_reports_come_in_the_venues_order_from_a_thread_of_the_adapters_own(self, driver, line, order):
        orders = [order("buy", "1", "90") for _ in range(10)]
        line.submit(*orders)
        line.until(lambda: len(line.reports) == 10)
        for number, each in enumerate(orders):
            driver.fill(each, "1", f"89.{number + 1}")
        line.until(lambda: len(line.reports) == 20)
        assert line.threads
        assert line.threads.isdisjoint({"line", threading.main_thread().name})
        assert [r.executed_at for r in line.reports[10:]] == sorted(r.executed_at for r in line.reports[10:])
        assert all(line.kinds(each) == ["new", "trade"] for each in orders)

    def test_orders_work_on_after_the_adapter_was_stopped_and_started(self, line, order, driver, resting):
        ended = order("buy", "10", "90", "gtc")
        line.submit(ended)
        line.until_kinds(ended, "new")
        line.cancel(ended)
        line.until_kinds(ended, "new", "canceled")
        line.run(line.adapter.stop())
        again = Line(driver.adapter())
        try:
            driver.fill(resting, "10", "89.5")
            again.until_once(resting, "trade")
            again.submit(ended)
            again.until_kinds(ended, "new", "canceled")
            assert [r.exec_id for r in again.of(ended)] == [r.exec_id for r in line.of(ended)]
        finally:
            again.close()

    def test_a_stopped_adapter_refuses_to_send(self, line, order):
        line.run(line.adapter.stop())
        with pytest.raises(VenueGone):
            line.submit(order("buy", "1"))

    def test_what_happened_while_the_line_was_cut_is_told_once_it_is_mended(self, driver, line, resting):
        needs(driver, Ability.CUT)
        driver.cut()
        driver.fill(resting, "4", "89.5")
        driver.fill(resting, "6", "89.4")
        driver.mend()
        line.until(lambda: line.filled(resting) == 10)
        assert line.once(resting) == ["new", "trade", "trade"]
        assert [r.kind.value for r in line.copied(resting)] == ["new", "trade", "trade"]

    def test_an_order_sent_over_a_cut_line_is_in_doubt_and_never_rejected(self, driver, line, order):
        needs(driver, Ability.CUT)
        driver.cut()
        sent = order("buy", "10", "90")
        line.attempt(lambda: line.submit(sent))
        driver.mend()
        line.until(lambda: _reached(line))
        line.submit(sent)
        line.until(lambda: bool(line.of(sent)))
        assert set(line.once(sent)) == {"new"}

    def test_an_adapter_that_cannot_connect_says_so_and_can_be_started_again(self, driver, order):
        needs(driver, Ability.CUT)
        driver.cut()
        with pytest.raises((OSError, VenueGone)):
            Line(driver.adapter())
        driver.mend()
        line = Line(driver.adapter())
        try:
            sent = order("buy", "10", "90")
            line.submit(sent)
            line.until_kinds(sent, "new")
        finally:
            line.close()

    def test_an_answer_that_is_lost_leaves_doubt_which_a_query_ends(self, driver, line, order):
        needs(driver, Ability.LOSE_ANSWER)
        driver.lose_answer()
        sent = order("buy", "10", "90")
        line.attempt(lambda: line.submit(sent))
        assert "rejected" not in line.kinds(sent)
        found: list[VenueReport] = []
        line.until(lambda: bool(found.extend(line.query(sent)) or found))
        assert {report.kind.value for report in found} == {"new"}
        line.submit(sent)
        driver.fill(sent, "10", "89.5")
        line.until(lambda: line.filled(sent) == 10)
        assert set(line.once(sent)) == {"new", "trade"}

    def test_a_message_that_was_lost_may_be_sent_again(self, driver, line, order):
        needs(driver, Ability.LOSE_MESSAGE)
        driver.lose_message()
        sent = order("buy", "10", "90")
        line.attempt(lambda: line.submit(sent))
        assert {report.kind.value for report in line.query(sent)} <= {"status_unknown_order"}
        assert line.kinds(sent) == []
        line.submit(sent)
        line.until(lambda: bool(line.of(sent)))
        driver.fill(sent, "10", "89.5")
        line.until(lambda: line.filled(sent) == 10)
        assert line.once(sent) == ["new", "trade"]


def _reached(line: Line) -> bool:
    """Tell whether the venue answers again."""
    doubts = len(line.doubts)
    line.attempt(lambda: line.run(line.adapter.query([uuid4()])))
    return len(line.doubts) == doubts
