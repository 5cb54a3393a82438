"""Orders at the same instant: shown first without the lock, then with it."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import UUID

import pytest
from django.db import connection
from msgspec.structs import replace

from accounts.domain.types import LockedAccounts
from accounts.selectors import accounts_by_id
from orders import services
from orders.domain.facts import VenueMessage
from orders.domain.reports import ReportKind
from orders.services import placing
from orders.tests.desk import Desk, rows
from positions.tests.helpers import BY
from risk.services import orders_check
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7
from trading_portal.management.commands.check_invariants import invariants_check

AT_ONCE = 8


def all_at_once(*jobs: Callable[[], object]) -> list[object]:
    """Run jobs at the same instant, a thread and a connection each; return what they returned or raised."""
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], object]) -> object:
        start.wait(20)
        try:
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        futures = [pool.submit(run, job) for job in jobs]
    return [future.exception() or future.result() for future in futures]


def errors(answers: Sequence[object]) -> list[object]:
    return [answer for answer in answers if isinstance(answer, Exception)]


class _Undone(Exception):
    """Take a transaction back, once it has shown what it would have done."""


def broken(desk: Desk) -> list[object]:
    return [finding for finding in invariants_check(accounts=desk.accounts) if finding.hits]


def rival_orders(desk: Desk) -> list[Callable[[], str]]:
    """Return placements of which a fifth of the equity, the most that one name may have, allows a single one."""
    commands = [desk.command(quantity=str(90 + number)) for number in range(AT_ONCE)]
    return [lambda command=command: desk.place_all([command])[0].status for command in commands]


def test_without_the_lock_orders_overshoot_what_one_account_may_hold(monkeypatch):
    desk = Desk(cash="50000")
    decided, approved = threading.Barrier(AT_ONCE), []

    def look_only(account_ids):
        return lambda: LockedAccounts((facts, 0) for facts in accounts_by_id(account_ids).values())

    def check_and_undo(**asked):
        approved.extend(decision.approved for decision in orders_check(**asked))
        decided.wait(20)
        raise _Undone

    monkeypatch.setattr(placing, "accounts_lock_later", look_only)
    monkeypatch.setattr(placing, "orders_check", check_and_undo)
    answers = all_at_once(*rival_orders(desk))
    assert {type(answer) for answer in answers} == {_Undone}
    assert approved == [True] * AT_ONCE


def test_with_the_lock_exactly_what_the_account_may_hold_is_accepted():
    desk = Desk(cash="50000")
    statuses = all_at_once(*rival_orders(desk))
    assert Counter(statuses) == {"accepted": 1, "refused": AT_ONCE - 1}
    assert broken(desk) == []


def test_the_same_order_sent_twenty_times_at_once_is_one_order():
    desk = Desk()
    command = desk.command()
    answers = all_at_once(*(lambda: desk.place_all([command])[0] for _ in range(20)))
    assert errors(answers) == []
    assert len({answer.order.id for answer in answers}) == 1
    assert Counter(answer.is_replay for answer in answers) == {False: 1, True: 19}
    assert rows("SELECT count(*) FROM orders_order WHERE account_id = %s", desk.account) == [(1,)]


def test_another_order_under_the_same_id_at_once_is_a_conflict_for_all_but_one():
    desk = Desk()
    command = desk.command()
    commands = [replace(command, quantity=command.quantity + number) for number in range(AT_ONCE)]
    answers = all_at_once(*(lambda each=each: desk.place_all([each])[0].status for each in commands))
    assert Counter(answers) == {"accepted": 1, "conflict": AT_ONCE - 1}


def test_batches_over_the_same_accounts_in_any_order_do_not_deadlock():
    desk = Desk(accounts=4)

    def batch(seed: int) -> list[str]:
        order = random.Random(seed).sample(desk.accounts, 4)
        return [placement.status for placement in desk.place_all([desk.command(account_id=each) for each in order])]

    answers = all_at_once(*(lambda seed=seed: [batch(seed * 10 + n) for n in range(5)] for seed in range(AT_ONCE)))
    assert errors(answers) == []
    assert {status for each in answers for batch_ in each for status in batch_} == {"accepted"}


def test_the_same_report_recorded_by_two_at_once_is_booked_once():
    desk = Desk()
    order_id = desk.working(quantity="10")
    trade = desk.trade(order_id, "4")
    answers = all_at_once(*(lambda: desk.record(trade) for _ in range(AT_ONCE)))
    assert errors(answers) == []
    assert Counter(answer.recorded for answer in answers) == {1: 1, 0: AT_ONCE - 1}
    assert desk.held() == 4


def test_a_cancel_and_a_claim_at_once_leave_an_order_that_is_either_sent_or_gone():
    desk = Desk()
    for _ in range(5):
        order_id = desk.accepted()
        outcome, messages = all_at_once(partial(desk.cancel, order_id), desk.claim)
        assert errors([outcome, messages]) == []
        was_sent = [message.kind for message in messages if message.order_id == order_id][:1] == ["submit"]
        assert outcome.status == ("requested" if was_sent else "canceled")


class Storm:
    """Place, cancel, claim and record from several threads, until everything placed was sent or cancelled."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.placed: list[UUID] = []
        self.is_over = threading.Event()

    def place(self) -> None:
        for _ in range(12):
            batch = [self.desk.command(account_id=account_id) for account_id in self.desk.accounts]
            self.placed.extend(each.order.id for each in self.desk.place_all(batch) if each.order)

    def place_then_end(self) -> None:
        failed = errors(all_at_once(self.place, self.place))
        self.is_over.set()
        assert failed == []

    def cancel(self) -> None:
        while not self.is_over.is_set():
            chosen = random.sample(self.placed, min(3, len(self.placed)))
            services.orders_cancel(order_ids=chosen, account_id=None, by=BY, correlation_id=uuid7(), at=clock.now())

    def venue(self) -> None:
        while True:
            was_over, messages = self.is_over.is_set(), self.desk.claim(limit=7)
            for message in messages:
                self.answer(message)
            if was_over and not messages:
                return

    def answer(self, message: VenueMessage) -> None:
        if message.kind == "cancel":
            self.desk.record(self.desk.report(message.order_id, ReportKind.CANCELED))
            return
        half = str(max(message.quantity // 2, 1))
        new = self.desk.report(message.order_id, ReportKind.NEW)
        self.desk.record(self.desk.trade(message.order_id, half), new)


@pytest.mark.timeout(170)
def test_everything_at_once_breaks_no_promise_and_no_lock():
    storm = Storm(Desk(accounts=3))
    assert errors(all_at_once(storm.place_then_end, storm.cancel, storm.venue, storm.venue)) == []
    assert len(storm.placed) == 72
    assert broken(storm.desk) == []
