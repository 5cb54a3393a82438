"""Trading states and kill switches: one person stops, two let go on."""

import threading

import pytest
from django.db import connections

from audit.selectors import events_of_stream
from risk.models import KillSwitch, TradingState
from risk.selectors import kill_switch_by_id, kill_switches_latched, send_allowed
from risk.services import change_approve, kill_switch_release_propose
from risk.tests.changing import latch, refused_code, release, state
from risk.tests.helpers import SYSTEM, codes, decide, events, hold, new_account, new_instrument, order, place
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Conflict, Forbidden
from trading_portal.kernel.ids import uuid7

pytestmark = pytest.mark.usefixtures("firm_limits")


def test_a_scope_is_restricted_at_once_and_relaxed_by_two(ann, ben):
    account_id, stock = new_account(), new_instrument("100")
    hold(account_id, stock, "5")
    assert state(account_id, "REDUCING", ann).state == "applied"
    assert codes(decide(order(account_id, stock))[0]) == {"TRADING_REDUCING"}
    assert decide(order(account_id, stock, "5", side="sell"))[0].approved
    assert state(account_id, "HALTED", SYSTEM).state == "applied"
    assert codes(decide(order(account_id, stock, "5", side="sell"))[0]) == {"TRADING_HALTED"}
    outcome = state(account_id, "ACTIVE", ann)
    assert outcome.state == "proposed"
    assert not decide(order(account_id, stock))[0].approved
    assert refused_code(Forbidden, lambda: change_approve(change_id=outcome.change_id, by=ann, at=clock.now()))
    change_approve(change_id=outcome.change_id, by=ben, at=clock.now())
    assert decide(order(account_id, stock))[0].approved
    assert events(f"trading_state:{outcome.target_id}") == [
        "trading_state.set",
        "trading_state.set",
        "change.proposed",
        "trading_state.set",
        "change.decided",
    ]


def test_a_relaxation_is_stale_when_the_scope_was_restricted_again(ann, ben):
    account_id = new_account()
    state(account_id, "REDUCING", ann)
    outcome = state(account_id, "ACTIVE", ann)
    state(account_id, "HALTED", ann)
    assert change_approve(change_id=outcome.change_id, by=ben, at=clock.now()).state == "stale"
    assert TradingState.objects.get(account_id=account_id).state == "HALTED"
    assert refused_code(Conflict, lambda: state(account_id, "HALTED", ann)) == "STATE_UNCHANGED"


def test_an_instrument_can_be_halted_for_one_account_only(ann):
    first, second, stock = new_account(), new_account(), new_instrument("100")
    state(first, "HALTED", ann, stock)
    assert codes(decide(order(first, stock))[0]) == {"TRADING_HALTED"}
    assert decide(order(second, stock), order(first, new_instrument("100")))[0].approved


def test_a_latched_switch_counts_what_dies_refuses_all_and_blocks_sending(ann, ben):
    account_id, stock = new_account(), new_instrument("100")
    place(order(account_id, stock, "1"), order(account_id, stock, "2"))
    hold(account_id, stock, "5")
    outcome = latch(ann, account_id)
    assert (outcome.orders_to_cancel, outcome.is_new) == (2, True)
    assert codes(decide(order(account_id, stock, "5", "120", "sell"))[0]) == {"KILL_SWITCH_ON"}
    blocked = send_allowed([account_id, account_id], [stock.id, stock.id], "paper")
    assert {pair: why.code for pair, why in blocked.items()} == {(account_id, stock.id): "KILL_SWITCH_ON"}
    [event] = events_of_stream(f"kill_switch:{outcome.kill_switch_id}")
    assert event.payload["kill_switch_id"] == str(outcome.kill_switch_id)
    assert (event.type, event.payload["orders_to_cancel"]) == ("kill_switch.latched", 2)
    assert kill_switch_by_id(outcome.kill_switch_id).is_latched
    assert outcome.kill_switch_id in {switch.id for switch in kill_switches_latched()}
    assert release(outcome.kill_switch_id, ann, ben).state == "applied"
    assert decide(order(account_id, stock, "5", "120", "sell"))[0].approved
    assert send_allowed([account_id], [stock.id], "paper") == {}
    assert not kill_switch_by_id(outcome.kill_switch_id).is_latched


def test_latching_again_changes_nothing_and_after_a_release_latches_anew(ann, ben):
    account_id = new_account()
    first = latch(ann, account_id)
    again = latch(ben, account_id)
    assert (again.kill_switch_id, again.is_new) == (first.kill_switch_id, False)
    assert events(f"kill_switch:{first.kill_switch_id}") == ["kill_switch.latched"]
    release(first.kill_switch_id, ann, ben)
    assert latch(ann, account_id).is_new


def test_a_switch_is_not_released_by_one_person(ann):
    outcome = latch(ann, new_account())
    proposed = kill_switch_release_propose(
        kill_switch_id=outcome.kill_switch_id, reason="Fixed", by=ann, at=clock.now()
    )
    assert refused_code(Forbidden, lambda: change_approve(change_id=proposed.change_id, by=ann, at=clock.now()))
    assert KillSwitch.objects.get(id=outcome.kill_switch_id).released_at is None


def test_releasing_an_account_leaves_the_instruments_switch_latched(ann, ben):
    account_id, stock = new_account(), new_instrument("100")
    switch = latch(ann, account_id)
    other = latch(ann, None, stock)
    release(switch.kill_switch_id, ann, ben)
    assert codes(decide(order(account_id, stock))[0]) == {"KILL_SWITCH_ON"}
    release(other.kill_switch_id, ann, ben)
    assert refused_code(Conflict, lambda: release(other.kill_switch_id, ann, ben)) == "SWITCH_RELEASED"


def test_a_venues_switch_stops_sending_there_and_nowhere_else(ann, ben):
    account_id, stock, venue = new_account(), new_instrument("100"), f"v{uuid7().hex[-12:]}"
    outcome = latch(ann, venue=venue)
    assert (account_id, stock.id) in send_allowed([account_id], [stock.id], venue)
    assert send_allowed([account_id], [stock.id], "paper") == {}
    assert codes(decide(order(account_id, stock, venue=venue))[0]) == {"KILL_SWITCH_ON"}
    assert decide(order(account_id, stock))[0].approved
    release(outcome.kill_switch_id, ann, ben)


def test_two_officers_at_once_latch_one_switch(ann, ben):
    account_id = new_account()
    outcomes, barrier = [], threading.Barrier(2, timeout=20)

    def pull(by):
        try:
            barrier.wait()
            outcomes.append(latch(by, account_id))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=pull, args=(by,)) for by in (ann, ben)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcome.is_new for outcome in outcomes) == [False, True]
    assert len({outcome.kill_switch_id for outcome in outcomes}) == 1
