"""Change limits, states and switches in tests, for the usual reason, now."""

from decimal import Decimal

import pytest

from risk.services import (
    change_approve,
    kill_switch_latch,
    kill_switch_release_propose,
    limit_change,
    limit_create,
    trading_state_set,
)
from trading_portal.kernel import clock


def change(limit, value, by, is_enforced=True, **options):
    values = {"value": Decimal(value), "is_enforced": is_enforced, "reason": "Because", "by": by, "at": clock.now()}
    return limit_change(limit_id=limit.id, **(values | options))


def fresh(row):
    return type(row).objects.get(pk=row.pk)


def refused_code(kind, call):
    with pytest.raises(kind) as caught:
        call()
    return caught.value.reason.code


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


def state(account_id, word, by, instrument=None, **options):
    values = {"reason": "Because", "by": by, "at": clock.now()}
    instrument_id = instrument.id if instrument else None
    return trading_state_set(account_id=account_id, instrument_id=instrument_id, state=word, **(values | options))


def latch(by, account_id=None, instrument=None, venue="", **options):
    values = {"reason": "Runaway", "by": by, "at": clock.now()}
    instrument_id = instrument.id if instrument else None
    return kill_switch_latch(account_id=account_id, instrument_id=instrument_id, venue=venue, **(values | options))


def release(switch_id, by, ben):
    proposed = kill_switch_release_propose(kill_switch_id=switch_id, reason="Fixed", by=by, at=clock.now())
    return change_approve(change_id=proposed.change_id, by=ben, at=clock.now())
