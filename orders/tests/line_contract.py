"""The part of the contract that minds the line: threads, restarts, a cut, and what is lost on the way."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest

from orders.brokers.protocol import VenueGone
from orders.domain.reports import VenueReport
from orders.tests.venue_line import Line
from orders.tests.venue_script import Ability, needs


class LineContract:
    """What holds at every venue whatever becomes of the line to it."""

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
