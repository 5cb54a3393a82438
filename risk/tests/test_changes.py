"""Tightening takes one person and holds at once; loosening takes two, and the database agrees."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connections

from audit.domain.types import Actor
from audit.selectors import events_of_account, events_of_stream
from risk.models import Breach, ChangeRequest, KillSwitch, Limit, TradingState
from risk.selectors import kill_switch_by_id, kill_switches_latched, send_allowed, utilisation
from risk.services import (
    breach_acknowledge,
    change_approve,
    change_reject,
    firm_defaults_ensure,
    kill_switch_latch,
    kill_switch_release_propose,
    limit_change,
    limit_create,
    limits_revert_due,
    trading_state_set,
)
from risk.tests.helpers import (
    SYSTEM,
    codes,
    decide,
    events,
    firm,
    hold,
    limit_row,
    new_account,
    new_instrument,
    officer,
    order,
    place,
)
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound
from trading_portal.kernel.ids import uuid7


@pytest.fixture(autouse=True)
def _firm():
    firm()


@pytest.fixture(scope="module")
def ann(django_db_setup):
    return officer()


@pytest.fixture(scope="module")
def ben(django_db_setup):
    return officer()


def change(limit, value, by, is_enforced=True, **options):
    values = {"value": Decimal(value), "is_enforced": is_enforced, "reason": "Because", "by": by, "at": clock.now()}
    return limit_change(limit_id=limit.id, **(values | options))


def fresh(row):
    return type(row).objects.get(pk=row.pk)


def refused_code(kind, call):
    with pytest.raises(kind) as caught:
        call()
    return caught.value.reason.code


def test_a_tightened_limit_refuses_the_next_order(ann):
    account_id, stock = new_account(), new_instrument("100")
    limit = limit_row("max_quantity", "100", account_id)
    assert decide(order(account_id, stock, "60"))[0].approved
    outcome = change(limit, "50", ann)
    assert (outcome.state, outcome.target_id) == ("applied", limit.id)
    [decision] = decide(order(account_id, stock, "60"))
    assert codes(decision) == {"QUANTITY_ABOVE_LIMIT"}
    assert next(check.version for check in decision.checks if check.rule == "max_quantity") == 2


def test_a_change_is_in_the_log_with_who_why_and_both_values_and_in_the_accounts_sequence(ann):
    account_id = new_account()
    limit = limit_row("max_quantity", "100", account_id)
    change(limit, "50", ann, reason="Too many units")
    [event] = events_of_stream(f"limit:{limit.id}")
    assert (event.type, event.actor, event.account_id) == ("limit.set", str(ann), account_id)
    facts = event.payload
    assert (Decimal(facts["value"]), Decimal(facts["value_before"])) == (50, 100)
    assert (facts["limit_version"], facts["cause"], facts["reason"]) == (2, "tightened", "Too many units")
    told = events_of_account(account_id, 0, 100)
    assert [each.account_sequence for each in told] == list(range(1, len(told) + 1))
    assert told[-1].id == event.id


def test_a_loosened_limit_waits_for_a_second_person(ann, ben):
    account_id, stock = new_account(), new_instrument("100")
    limit = limit_row("max_quantity", "50", account_id)
    outcome = change(limit, "100", ann)
    assert outcome.state == "proposed"
    assert fresh(limit).value == 50
    assert not decide(order(account_id, stock, "60"))[0].approved
    assert refused_code(Forbidden, lambda: change_approve(change_id=outcome.change_id, by=ann, at=clock.now())) == (
        "APPROVER_IS_PROPOSER"
    )
    assert change_approve(change_id=outcome.change_id, by=ben, at=clock.now()).state == "applied"
    assert (fresh(limit).value, fresh(limit).version) == (100, 2)
    assert decide(order(account_id, stock, "60"))[0].approved
    assert events(f"limit:{limit.id}") == ["change.proposed", "limit.set", "change.decided"]


def test_the_database_refuses_an_approval_by_the_proposer_too(ann):
    limit = limit_row("max_quantity", "50", new_account())
    row = ChangeRequest.objects.get(id=change(limit, "100", ann).change_id)
    for decided_by in (row.proposed_by_id, None):
        with pytest.raises(IntegrityError, match="change_"):
            ChangeRequest.objects.filter(id=row.id).update(
                state="approved", decided_by_id=decided_by, decided_at=clock.now()
            )
    assert fresh(row).state == "pending"


def test_switching_a_rule_off_takes_two_and_on_again_one(ann, ben):
    account_id, stock = new_account(), new_instrument("100")
    limit = limit_row("max_quantity", "5", account_id)
    outcome = change(limit, "5", ann, is_enforced=False)
    assert outcome.state == "proposed"
    change_approve(change_id=outcome.change_id, by=ben, at=clock.now())
    assert decide(order(account_id, stock, "6"))[0].approved
    assert change(limit, "5", ann, is_enforced=True).state == "applied"
    assert not decide(order(account_id, stock, "6"))[0].approved


def test_a_longer_duplicate_window_is_tighter_and_a_shorter_one_looser(ann):
    limit = limit_row("duplicate_window", "10", new_account())
    assert change(limit, "20", ann).state == "applied"
    assert change(limit, "15", ann).state == "proposed"


def test_an_approval_after_the_limit_moved_is_stale_and_changes_nothing(ann, ben):
    limit = limit_row("max_quantity", "50", new_account())
    outcome = change(limit, "100", ann)
    change(limit, "40", ann)
    late = change_approve(change_id=outcome.change_id, by=ben, at=clock.now())
    assert (late.state, late.reason.code) == ("stale", "CHANGE_STALE")
    assert fresh(limit).value == 40
    row = ChangeRequest.objects.get(id=outcome.change_id)
    assert (row.state, row.decided_by_id) == ("stale", row.decided_by_id)
    assert refused_code(Conflict, lambda: change_approve(change_id=row.id, by=ben, at=clock.now())) == (
        "CHANGE_NOT_PENDING"
    )


def test_a_rejected_change_is_kept_and_changes_nothing(ann, ben):
    limit = limit_row("max_quantity", "50", new_account())
    outcome = change(limit, "100", ann)
    assert change_reject(change_id=outcome.change_id, reason="No need", by=ben, at=clock.now()).state == "rejected"
    row = ChangeRequest.objects.get(id=outcome.change_id)
    assert (row.state, row.decision_reason, fresh(limit).value) == ("rejected", "No need", 50)
    assert change(limit, "100", ann).state == "proposed"


def test_one_change_of_a_limit_waits_at_a_time(ann):
    limit = limit_row("max_quantity", "50", new_account())
    change(limit, "100", ann)
    assert refused_code(Conflict, lambda: change(limit, "90", ann)) == "CHANGE_ALREADY_PENDING"


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("max_quantity", "-1"),
        ("max_quantity", "NaN"),
        ("max_quantity", "Infinity"),
        ("max_quantity", "1000000000000000"),
        ("price_collar", "1.01"),
        ("concentration", "2"),
        ("order_rate", "1.5"),
        ("stale_price", "86400"),
    ],
)
def test_a_value_that_a_rule_cannot_have_is_refused(ann, rule, value):
    limit = limit_row(rule, "1", new_account())
    assert refused_code(InvalidInput, lambda: change(limit, value, ann)) == "LIMIT_VALUE_INVALID"


def test_nothing_changes_without_a_reason_or_without_a_change(ann):
    limit = limit_row("max_quantity", "50", new_account())
    assert refused_code(InvalidInput, lambda: change(limit, "40", ann, reason="  ")) == "REASON_REQUIRED"
    assert refused_code(Conflict, lambda: change(limit, "50", ann)) == "LIMIT_UNCHANGED"
    assert refused_code(Conflict, lambda: change(limit, "40", ann, expected_version=7)) == "LIMIT_MOVED"
    missing = Limit(id=uuid7())
    assert refused_code(NotFound, lambda: change(missing, "40", ann)) == "LIMIT_NOT_FOUND"


def test_a_program_may_tighten_and_not_loosen():
    limit = limit_row("max_quantity", "50", new_account())
    assert change(limit, "40", SYSTEM).state == "applied"
    assert refused_code(Forbidden, lambda: change(limit, "60", SYSTEM)) == "PERSON_REQUIRED"


def test_a_temporary_loosening_reverts_by_itself(ann, ben):
    account_id, stock = new_account(), new_instrument("100")
    limit = limit_row("max_quantity", "5", account_id)
    at = clock.now()
    outcome = change(limit, "50", ann, reverts_at=at + timedelta(hours=1))
    change_approve(change_id=outcome.change_id, by=ben, at=at)
    assert decide(order(account_id, stock, "6"))[0].approved
    assert refused_code(Conflict, lambda: change(limit, "60", ann)) == "LIMIT_IS_TEMPORARY"
    limits_revert_due(at=at + timedelta(minutes=59))
    assert fresh(limit).value == 50
    assert limits_revert_due(at=at + timedelta(hours=1)) >= 1
    row = fresh(limit)
    assert (row.value, row.version, row.temporary_until) == (5, 3, None)
    assert ChangeRequest.objects.get(id=outcome.change_id).reverted_at == at + timedelta(hours=1)
    assert events_of_stream(f"limit:{limit.id}")[-1].payload["cause"] == "reverted"
    limits_revert_due(at=at + timedelta(hours=2))
    assert fresh(limit).version == 3
    assert codes(decide(order(account_id, stock, "6"))[0]) == {"QUANTITY_ABOVE_LIMIT"}


def test_a_temporary_limit_tightened_meanwhile_never_reverts_to_something_looser(ann, ben):
    limit = limit_row("max_quantity", "5", new_account())
    at = clock.now()
    outcome = change(limit, "50", ann, reverts_at=at + timedelta(hours=1))
    change_approve(change_id=outcome.change_id, by=ben, at=at)
    change(limit, "20", ann)
    assert fresh(limit).temporary_until is not None
    change(limit, "3", ann)
    assert fresh(limit).temporary_until is None
    limits_revert_due(at=at + timedelta(hours=2))
    assert fresh(limit).value == 3


def test_an_approval_after_the_end_of_the_change_is_stale(ann, ben):
    limit = limit_row("max_quantity", "5", new_account())
    at = clock.now()
    outcome = change(limit, "50", ann, reverts_at=at + timedelta(hours=1))
    late = change_approve(change_id=outcome.change_id, by=ben, at=at + timedelta(hours=1))
    assert (late.state, late.reason.code) == ("stale", "CHANGE_EXPIRED")
    assert refused_code(InvalidInput, lambda: change(limit, "50", ann, reverts_at=at)) == "CHANGE_EXPIRY_INVALID"
    assert refused_code(InvalidInput, lambda: change(limit, "4", ann, reverts_at=clock.now() + timedelta(hours=1))) == (
        "CHANGE_EXPIRY_INVALID"
    )


def create(by, rule, value, account_id=None, instrument=None, **options):
    return limit_create(
        rule=rule,
        account_id=account_id,
        instrument_id=instrument.id if instrument else None,
        value=Decimal(value),
        is_enforced=True,
        reason="Because",
        by=by,
        at=clock.now(),
        **options,
    )


def test_a_new_narrower_limit_holds_at_once_when_it_is_tighter_and_waits_when_it_is_looser(ann, ben):
    account_id, stock = new_account(), new_instrument("1")
    assert create(ann, "max_notional", "10", account_id).state == "applied"
    assert not decide(order(account_id, stock, "11", "1"))[0].approved
    outcome = create(ann, "max_notional", "12", account_id, stock)
    assert outcome.state == "proposed"
    assert not Limit.objects.filter(id=outcome.target_id).exists()
    change_approve(change_id=outcome.change_id, by=ben, at=clock.now())
    assert decide(order(account_id, stock, "11", "1"))[0].approved
    assert refused_code(Conflict, lambda: create(ann, "max_notional", "9", account_id, stock)) == "LIMIT_SCOPE_TAKEN"


def test_a_limit_for_an_account_that_would_loosen_an_instruments_takes_two(ann):
    stock = new_instrument("1")
    create(ann, "max_quantity", "1", instrument=stock)
    # Tighter than the firm's 10,000, and yet it would let this instrument go from 1 to 5,000.
    assert create(ann, "max_quantity", "5000", new_account()).state == "proposed"


def test_a_new_temporary_limit_leaves_its_place_when_it_is_over(ann, ben):
    account_id = new_account()
    at = clock.now()
    outcome = create(ann, "max_notional", "300000", account_id, reverts_at=at + timedelta(hours=1))
    change_approve(change_id=outcome.change_id, by=ben, at=at)
    assert limits_revert_due(at=at + timedelta(hours=1)) >= 1
    assert not Limit.objects.filter(id=outcome.target_id).exists()
    assert events(f"limit:{outcome.target_id}")[-1] == "limit.removed"
    assert create(ann, "max_notional", "5", account_id).state == "applied"


def test_the_order_rate_has_no_limit_per_instrument(ann):
    stock = new_instrument()
    assert refused_code(InvalidInput, lambda: create(ann, "order_rate", "5", instrument=stock)) == "LIMIT_SCOPE_INVALID"
    with pytest.raises(IntegrityError):
        limit_row("order_rate", "5", instrument=stock)


def test_an_unknown_scope_is_refused(ann):
    ghost = new_instrument()
    object.__setattr__(ghost, "id", uuid7())
    assert refused_code(NotFound, lambda: create(ann, "max_quantity", "5", instrument=ghost)) == "SCOPE_NOT_FOUND"
    assert refused_code(NotFound, lambda: create(ann, "max_quantity", "5", uuid7())) == "ACCOUNT_NOT_FOUND"


def test_the_firms_limits_are_made_once_and_kept():
    before = set(Limit.objects.filter(account=None, instrument=None).values_list("rule", "value", "version"))
    firm_defaults_ensure(at=clock.now())
    assert set(Limit.objects.filter(account=None, instrument=None).values_list("rule", "value", "version")) == before
    assert len(before) == 10


def state(account_id, word, by, instrument=None, **options):
    values = {"reason": "Because", "by": by, "at": clock.now()}
    instrument_id = instrument.id if instrument else None
    return trading_state_set(account_id=account_id, instrument_id=instrument_id, state=word, **(values | options))


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


def latch(by, account_id=None, instrument=None, venue="", **options):
    values = {"reason": "Runaway", "by": by, "at": clock.now()}
    instrument_id = instrument.id if instrument else None
    return kill_switch_latch(account_id=account_id, instrument_id=instrument_id, venue=venue, **(values | options))


def release(switch_id, by, ben):
    proposed = kill_switch_release_propose(kill_switch_id=switch_id, reason="Fixed", by=by, at=clock.now())
    return change_approve(change_id=proposed.change_id, by=ben, at=clock.now())


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


def test_two_officers_approving_at_once_apply_a_change_once(ann, ben):
    limit = limit_row("max_quantity", "50", new_account())
    outcome = change(limit, "100", ann)
    third = officer()
    results, barrier = [], threading.Barrier(2, timeout=20)

    def approve(by):
        try:
            barrier.wait()
            results.append(change_approve(change_id=outcome.change_id, by=by, at=clock.now()).state)
        except Conflict as error:
            results.append(error.reason.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=approve, args=(by,)) for by in (ben, third)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(results) == ["CHANGE_NOT_PENDING", "applied"]
    assert fresh(limit).version == 2


def test_a_breach_is_acknowledged_once_with_a_note(ann):
    account_id, stock = new_account("10"), new_instrument("100")
    place(order(account_id, stock))
    breach = Breach.objects.filter(account_id=account_id).first()
    breach_acknowledge(breach_id=breach.id, note="Seen", by=ann, at=clock.now())
    row = fresh(breach)
    assert (str(row.acknowledged_by_id), row.note) == (ann.id, "Seen")
    assert events(f"breach:{breach.id}") == ["breach.acknowledged"]
    assert refused_code(
        Conflict, lambda: breach_acknowledge(breach_id=breach.id, note="Again", by=ann, at=clock.now())
    ) == ("BREACH_ACKNOWLEDGED")


def test_the_use_of_limits_is_told_with_headroom_the_fullest_first():
    account_id, stock = new_account("10000"), new_instrument("100")
    limit_row("max_position", "40", account_id)
    limit_row("concentration", "0.5", account_id)
    hold(account_id, stock, "10")
    place(order(account_id, stock, "20", "50"))
    uses = {(use.rule, use.symbol): use for use in utilisation([account_id], clock.now())}
    position = uses["max_position", stock.symbol]
    assert (position.value, position.limit, position.headroom, position.percent) == ("30", "40", "10", Decimal(75))
    assert uses["buying_power", ""].percent == Decimal(10)
    assert uses["max_open_orders", ""].value == "1"
    # 10 held at 100 and 1,000 reserved, of an equity of 11,000.
    assert uses["concentration", stock.symbol].value == "0.1818181818"
    percents = [use.percent for use in utilisation([account_id], clock.now())]
    assert percents == sorted(percents, reverse=True)


def test_the_risk_officers_group_has_the_desks_permissions_and_no_deletion():
    held = set(Group.objects.get(name="Risk officers").permissions.values_list("codename", flat=True))
    assert held >= {"change_limit", "view_limit", "change_changerequest", "add_killswitch", "view_decision"}
    assert not [name for name in held if name.startswith("delete_")]


def test_an_actor_that_is_no_person_cannot_approve(ann):
    limit = limit_row("max_quantity", "50", new_account())
    outcome = change(limit, "100", ann)
    key = Actor.api_key("PK123")
    assert refused_code(Forbidden, lambda: change_approve(change_id=outcome.change_id, by=key, at=clock.now())) == (
        "PERSON_REQUIRED"
    )
