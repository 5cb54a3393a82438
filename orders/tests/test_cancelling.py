"""Cancelling: at once what was never sent, else by the venue; refused only when there is nothing to cancel."""

import pytest

from orders import services
from orders.domain.reports import ReportKind
from orders.tasks import killed_sweep
from orders.tests.desk import Desk, rows
from positions.tests.helpers import BY, new_account
from risk.services import kill_switch_latch, trading_state_set
from risk.tests.helpers import officer
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7


@pytest.fixture
def desk():
    return Desk()


def test_an_order_that_was_never_sent_is_cancelled_at_once(desk):
    order_id = desk.accepted()
    outcome = desk.cancel(order_id)
    assert (outcome.status, outcome.order.status) == ("canceled", "canceled")
    assert desk.events(order_id) == ["accepted", "canceled"]
    assert (desk.reserved(order_id), desk.intents(order_id)) == (None, [("submit", "dropped")])
    assert desk.claim() == []


@pytest.mark.parametrize("is_acknowledged", [False, True])
def test_an_order_at_the_venue_waits_for_its_answer_and_keeps_its_reservation(desk, is_acknowledged):
    order_id = desk.working(quantity="5") if is_acknowledged else desk.sent(quantity="5")
    outcome = desk.cancel(order_id)
    assert (outcome.status, outcome.order.status) == ("requested", "pending_cancel")
    assert desk.reserved(order_id) == 5
    assert [(m.kind, m.order_id) for m in desk.claim()] == [("cancel", order_id)]
    desk.record(desk.report(order_id, ReportKind.CANCELED))
    assert (desk.status(order_id), desk.reserved(order_id)) == ("canceled", None)
    assert desk.intents(order_id) == [("submit", "settled"), ("cancel", "settled")]


def test_a_second_cancel_is_refused_as_already_pending(desk):
    order_id = desk.working()
    desk.cancel(order_id)
    again = desk.cancel(order_id)
    assert (again.status, again.refusal.code) == ("refused", "CANCEL_ALREADY_PENDING")
    assert len(desk.claim()) == 1


def test_an_order_that_is_done_cannot_be_cancelled(desk):
    order_id = desk.working(quantity="5")
    desk.record(desk.trade(order_id, "5"))
    outcome = desk.cancel(order_id)
    assert (outcome.status, outcome.refusal.code) == ("refused", "ORDER_NOT_CANCELABLE")
    assert (outcome.refusal.facts["status"], desk.status(order_id)) == ("filled", "filled")


def test_a_cancel_that_the_venue_refuses_leaves_the_order_as_it_was(desk):
    order_id = desk.working(quantity="5")
    desk.cancel(order_id)
    desk.claim()
    desk.record(desk.report(order_id, ReportKind.CANCEL_REJECTED, reason="too late"))
    assert (desk.status(order_id), desk.reserved(order_id)) == ("new", 5)
    assert desk.events(order_id)[-1] == "cancel_rejected"
    assert desk.cancel(order_id).status == "requested"


def test_another_accounts_order_is_not_found(desk):
    order_id = desk.accepted()
    assert desk.cancel(order_id, account_id=new_account()).status == "not_found"
    assert desk.cancel(uuid7()).status == "not_found"
    assert desk.status(order_id) == "accepted"


def test_cancel_all_cancels_what_can_be_and_leaves_the_rest(desk):
    unsent, working, filled = desk.accepted(), None, None
    desk.claim()
    working = unsent
    desk.record(desk.report(working, ReportKind.NEW))
    filled = desk.working(quantity="5")
    desk.record(desk.trade(filled, "5"))
    unsent = desk.accepted()
    outcomes = services.orders_cancel_all(account_id=desk.account, by=BY, correlation_id=uuid7(), at=clock.now())
    assert {o.order_id: o.status for o in outcomes} == {working: "requested", unsent: "canceled"}
    assert services.orders_cancel_all(account_id=desk.account, by=BY, correlation_id=uuid7(), at=clock.now()) == []


def test_cancels_pass_while_trading_is_halted(desk):
    working, unsent = desk.working(), desk.accepted()
    trading_state_set(
        account_id=desk.account, instrument_id=None, state="HALTED", reason="test", by=officer(), at=clock.now()
    )
    assert desk.cancel(working).status == "requested"
    assert desk.cancel(unsent).status == "canceled"
    assert len(desk.claim()) == 1


def test_a_latched_switch_cancels_everything_open_in_its_scope_and_nothing_else(desk):
    bystander = Desk()
    spared, working, unsent = bystander.accepted(), desk.working(), desk.accepted()
    latch = kill_switch_latch(
        account_id=desk.account, instrument_id=None, venue="", reason="test", by=officer(), at=clock.now()
    )
    assert services.orders_cancel_killed(kill_switch_id=latch.kill_switch_id, at=clock.now()) == 2
    assert [desk.status(working), desk.status(unsent)] == ["pending_cancel", "canceled"]
    assert bystander.status(spared) == "accepted"
    assert services.orders_cancel_killed(kill_switch_id=latch.kill_switch_id, at=clock.now()) == 0
    assert [(m.kind, m.order_id) for m in desk.claim()] == [("cancel", working)]


def test_a_sweep_cancels_what_is_open_in_a_latched_scope_when_nobody_handled_the_event(desk):
    working, unsent = desk.working(), desk.accepted()
    kill_switch_latch(
        account_id=desk.account, instrument_id=None, venue="", reason="test", by=officer(), at=clock.now()
    )
    killed_sweep()
    assert [desk.status(working), desk.status(unsent)] == ["pending_cancel", "canceled"]


def test_an_order_whose_scope_is_killed_before_it_was_sent_is_dropped_at_the_gateway(desk):
    order_id = desk.accepted()
    kill_switch_latch(
        account_id=desk.account, instrument_id=None, venue="", reason="test", by=officer(), at=clock.now()
    )
    assert desk.claim() == []
    assert desk.status(order_id) == "rejected"
    assert [why["code"] for why in desk.order(order_id).reasons] == ["KILL_SWITCH_ON"]
    assert desk.events(order_id) == ["accepted", "dropped"]
    assert (desk.reserved(order_id), desk.intents(order_id)) == (None, [("submit", "dropped")])
    assert rows("SELECT count(*) FROM risk_decision WHERE order_id = %s AND is_approved", order_id) == [(1,)]
