"""The checks of risk's own promises find what they are there for, and nothing else."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from risk.invariants import INVARIANTS
from risk.models import ChangeRequest, Decision, Limit
from risk.services import change_approve, limit_change
from risk.tests.helpers import limit_row, new_account, new_instrument, officer, order, place
from trading_portal.kernel import clock

pytestmark = pytest.mark.usefixtures("firm_limits")


def hits(code, account_id):
    sql = next(each.sql for each in INVARIANTS if each.code == code)
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [row for row in cursor.fetchall() if row[0] == account_id]


def test_decisions_as_they_are_made_keep_to_their_limits():
    account_id, stock = new_account("150"), new_instrument("100")
    limit_row("concentration", "1", account_id)
    first, second = place(order(account_id, stock), order(account_id, stock, "2"))
    assert (first.approved, second.approved) == (True, False)
    assert hits("I11", account_id) == []


@pytest.mark.parametrize(
    "check",
    [
        {"rule": "max_notional", "value": "100.01", "limit": "100"},
        {"rule": "max_notional", "verdict": "breached", "value": "1", "limit": "100"},
    ],
)
def test_an_approval_above_its_limit_is_found(check):
    account_id, stock = new_account(), new_instrument("100")
    [decision] = place(order(account_id, stock))
    Decision.objects.filter(order_id=decision.order_id).update(checks=[check])
    assert [row[1] for row in hits("I11", account_id)] == [decision.order_id]
    Decision.objects.filter(order_id=decision.order_id).update(checks=[])


def test_a_loosening_that_is_not_put_back_is_found():
    account_id, proposer, approver = new_account(), officer(), officer()
    limit = limit_row("max_quantity", "5", account_id)
    at = clock.now()
    outcome = limit_change(
        limit_id=limit.id,
        value=Decimal(6),
        is_enforced=True,
        reason="Now",
        by=proposer,
        at=at,
        reverts_at=at + timedelta(hours=1),
    )
    change_approve(change_id=outcome.change_id, by=approver, at=at)
    assert hits("I20", account_id) == []
    past = at - timedelta(minutes=2)
    with transaction.atomic():
        ChangeRequest.objects.filter(id=outcome.change_id).update(reverts_at=past)
        Limit.objects.filter(id=limit.id).update(temporary_until=past)
        assert {row[2] for row in hits("I20", account_id)} == {"not reverted", "still temporary"}
        transaction.set_rollback(True)
