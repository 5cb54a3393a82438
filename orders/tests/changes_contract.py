"""The part of the contract that changes an order: cancels, replaces, and fills that are taken back or corrected."""

from __future__ import annotations

from decimal import Decimal

from orders.tests.venue_line import replacing
from orders.tests.venue_script import Ability, needs


class ChangesContract:
    """What holds at every venue once an order works there."""

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
