"""Two checks of one account at the same instant."""

import threading
from uuid import UUID

import pytest
from django.db import connections, transaction

from accounts.services import accounts_lock
from positions.selectors import exposures
from positions.services import reservations_open
from risk.services import decisions_record, orders_check
from risk.tests.helpers import limit_row, new_account, new_instrument, order, reservation
from trading_portal.kernel import clock

pytestmark = pytest.mark.usefixtures("firm_limits")


def _in_two_threads(work):
    barrier, results = threading.Barrier(2, timeout=20), [None, None]

    def run(index):
        try:
            results[index] = work(index, barrier)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


class Unlocked(dict[UUID, object]):
    """Account facts that nobody holds: what a check without the lock would work with."""


def test_two_orders_at_once_pass_one_buying_power_without_the_lock_and_not_with_it():
    stock = new_instrument("100")

    def spent(account_id):
        return sum(orders.value for orders in exposures([account_id])[account_id].working)

    def both(account_id, *, with_lock):
        with transaction.atomic():
            facts = Unlocked(accounts_lock([account_id]))

        def work(index, barrier):
            intent = order(account_id, stock, "8", str(99 + index))
            with transaction.atomic():
                barrier.wait()
                locked = accounts_lock([account_id]) if with_lock else facts
                [decision] = orders_check(intents=[intent], locked=locked, at=clock.now())
                if not with_lock:
                    barrier.wait()
                reserve(decision)
                decisions_record(decisions=[decision], at=clock.now())
            return decision.approved

        return _in_two_threads(work)

    racing = new_account("1000")
    limit_row("concentration", "1", racing)
    assert both(racing, with_lock=False) == [True, True]
    assert spent(racing) > 1000

    held = new_account("1000")
    limit_row("concentration", "1", held)
    assert sorted(both(held, with_lock=True)) == [False, True]
    assert spent(held) <= 1000


def reserve(decision):
    if decision.approved:
        reservations_open(reservations=[reservation(decision)], at=clock.now())
