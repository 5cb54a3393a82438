"""Tightening takes one person and holds at once; loosening takes two, and the database agrees."""

import threading
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connections

from audit.domain.types import Actor
from audit.selectors import events_of_account, events_of_stream
from risk.models import Breach, ChangeRequest, Limit
from risk.services import breach_acknowledge, change_approve, change_reject
from risk.tests.changing import change, fresh, refused_code
from risk.tests.helpers import (
    SYSTEM,
    codes,
    decide,
    events,
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

pytestmark = pytest.mark.usefixtures("firm_limits")


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
