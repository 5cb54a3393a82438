"""Replaces at the same instant as fills, cancels and each other: shown first without the lock, then with it."""

import threading
from collections import Counter
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection

from accounts.domain.types import LockedAccounts
from accounts.selectors import accounts_by_id
from orders import services
from orders.domain.commands import ReplaceFields, ReplaceOrder
from orders.domain.reports import ReportKind
from orders.selectors import orders_by_id
from orders.services import replacing
from orders.services.working import WorkingOrder
from orders.tests.desk import Desk
from positions.tests.helpers import BY
from risk.services import orders_check
from tests.test_order_races import all_at_once, broken, errors
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7


class _Undone(Exception):
    """Take a transaction back, once it has shown what it would have done."""


def look_only(account_ids):
    return LockedAccounts((facts, 0) for facts in accounts_by_id(account_ids).values())


def read_only(order_ids):
    return {key: WorkingOrder(facts) for key, facts in orders_by_id(order_ids).items()}


def replace(desk, order_id, quantity):
    command = ReplaceOrder(
        order_id=order_id,
        account_id=desk.account,
        fields=ReplaceFields(quantity=Decimal(quantity)),
        by=BY,
        correlation_id=uuid7(),
        requested_at=clock.now(),
    )
    return services.order_replace(command=command, at=clock.now())


@pytest.fixture
def rivals():
    """Return two orders of which either may grow to what one name may have, a fifth of the equity, but not both."""
    desk = Desk(cash="50000")
    order_ids = [desk.working(quantity="10"), desk.working(quantity="11")]
    desk.show()
    return desk, [lambda order_id=order_id: replace(desk, order_id, 85).status for order_id in order_ids]


def test_without_the_lock_two_replaces_overshoot_what_one_account_may_hold(rivals, monkeypatch):
    decided, approved = threading.Barrier(2), []

    def check_and_undo(**asked):
        approved.extend(decision.approved for decision in orders_check(**asked))
        decided.wait(20)
        raise _Undone

    monkeypatch.setattr(replacing, "accounts_lock", look_only)
    monkeypatch.setattr(replacing, "orders_check", check_and_undo)
    assert {type(answer) for answer in all_at_once(*rivals[1])} == {_Undone}
    assert approved == [True, True]


def test_with_the_lock_exactly_one_of_them_is_taken(rivals):
    desk, jobs = rivals
    assert Counter(all_at_once(*jobs)) == {"requested": 1, "refused": 1}
    assert broken(desk) == []


class Filling:
    """Have a fill reported while a replace is being decided."""

    def __init__(self, desk, order_id, seconds):
        self.desk, self.order_id, self.seconds = desk, order_id, seconds
        self.thread = threading.Thread(target=self._fill)
        self.was_done = False

    def _fill(self):
        try:
            self.desk.record(self.desk.trade(self.order_id, "4"))
        finally:
            connection.close()

    def check(self, **asked):
        self.thread.start()
        self.thread.join(self.seconds)
        self.was_done = not self.thread.is_alive()
        return orders_check(**asked)


def test_without_the_lock_a_fill_comes_between_a_replaces_look_and_its_write(monkeypatch):
    desk = Desk()
    order_id = desk.working(quantity="10")
    filling = Filling(desk, order_id, seconds=20)
    monkeypatch.setattr(replacing, "accounts_lock", look_only)
    monkeypatch.setattr(replacing, "orders_locked", read_only)
    monkeypatch.setattr(replacing, "orders_check", filling.check)
    with pytest.raises(IntegrityError):  # the log holds: it has no second event of that number
        replace(desk, order_id, 12)
    assert filling.was_done


def test_with_the_lock_the_fill_waits_and_both_are_booked(monkeypatch):
    desk = Desk()
    order_id = desk.working(quantity="10")
    filling = Filling(desk, order_id, seconds=0.3)
    monkeypatch.setattr(replacing, "orders_check", filling.check)
    desk.show()
    assert replace(desk, order_id, 12).status == "requested"
    filling.thread.join(20)
    assert not filling.was_done
    order = desk.order(order_id)
    assert (order.status, order.filled_quantity, desk.reserved(order_id)) == ("pending_replace", 4, 8)
    assert desk.events(order_id)[-2:] == ["replace_requested", "executed"]
    assert broken(desk) == []


def test_replaces_fills_and_cancels_at_once_leave_every_order_sound():
    desk = Desk(cash="100000000")
    order_ids = [desk.working(quantity=str(20 + number)) for number in range(6)]
    desk.show()
    jobs = []
    for order_id in order_ids:
        jobs += [
            lambda order_id=order_id: replace(desk, order_id, 60).status,
            lambda order_id=order_id: desk.cancel(order_id).status,
            lambda order_id=order_id: desk.record(desk.trade(order_id, "5")).recorded,
        ]
    answers = all_at_once(*jobs)
    assert errors(answers) == []
    assert Counter(answers)["requested"] == len(order_ids)  # a cancel or a replace, never both
    for message in desk.claim():
        version_id = message.terms.version_id if message.terms else None
        answer = (
            desk.report(message.order_id, ReportKind.REPLACED, request_id=version_id, quantity="60")
            if version_id
            else desk.report(message.order_id, ReportKind.CANCELED)
        )
        desk.record(answer)
    assert {desk.status(order_id) for order_id in order_ids} <= {"canceled", "partially_filled"}
    assert {desk.order(order_id).filled_quantity for order_id in order_ids} == {5}
    assert desk.parked() == []
    assert broken(desk) == []
