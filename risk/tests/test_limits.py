"""New and temporary limits: where they hold, for how long, and what is there when they are over."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError

from audit.selectors import events_of_stream
from risk.models import ChangeRequest, Limit
from risk.selectors import utilisation
from risk.services import change_approve, firm_defaults_ensure, limits_revert_due
from risk.tests.changing import change, create, fresh, refused_code
from risk.tests.helpers import codes, decide, events, hold, limit_row, new_account, new_instrument, order, place
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Conflict, InvalidInput, NotFound
from trading_portal.kernel.ids import uuid7

pytestmark = pytest.mark.usefixtures("firm_limits")


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
