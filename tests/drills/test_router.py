"""Most venues work, two do not: what is routed completes all the same, counted by what the venues themselves say.

`PORTAL_ROUTER_ORDERS=20000` runs it at full length.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest

from orders.brokers.paper.profile import Faults, PaperProfile
from orders.tests.test_smart_broker import QUICK, Routed
from orders.tests.venue import until
from positions.tests.helpers import rows

ORDERS = int(os.environ.get("PORTAL_ROUTER_ORDERS", "400"))
BATCH = max(250, ORDERS // 10)
_TOLD = """
SELECT venue, count(*), sum(quantity) FROM orders_paperreport WHERE venue = ANY(%s) AND kind = 'trade' GROUP BY 1
"""
COMPLETE = Decimal("0.9995")
VENUES = {
    "alpha": PaperProfile(**QUICK),
    "beta": PaperProfile(**QUICK),
    "gamma": PaperProfile(**QUICK),
    "silent": PaperProfile(**QUICK, offset_ticks=-1, faults=Faults(lose=1.0)),
    "broken": PaperProfile(**QUICK, offset_ticks=-1, faults=Faults(fail=1.0)),
}


@pytest.fixture
def desk() -> Iterator[Routed]:
    made = Routed(VENUES, accounts=ORDERS // 10)
    # The venues show three million: the quantities of all orders must stay below.
    made.quantities = itertools.cycle(range(1, 60))
    made.host()
    until(lambda: made.hosts[0].is_speaking)
    yield made
    made.close()


@pytest.mark.timeout(3600)
def test_with_two_of_five_venues_failing_all_but_a_few_orders_complete(desk):
    """The failing two show the better price, so that every order would go there first."""
    began = time.monotonic()
    placed = 0
    while placed < ORDERS:
        answers = desk.try_place(min(BATCH, ORDERS - placed))
        assert {answer.status for answer in answers} == {"accepted"}, answers[0]
        placed += len(answers)
    wanted = ORDERS * COMPLETE
    until(lambda: filled(desk) >= wanted, lambda: (filled(desk), left(desk)), seconds=120 + ORDERS / 50, every=0.5)
    desk.hosts[0].stop()
    told = rows(_TOLD, list(desk.profiles))
    [[ours]] = rows("SELECT sum(quantity) FROM orders_execution WHERE venue = %s", desk.name)
    seconds = time.monotonic() - began
    sys.stdout.write(f"\n{ORDERS} orders, {filled(desk)} complete after {seconds:.1f} s; by drop copy: {told}\n")
    assert sum(row[2] for row in told) == ours
    desk.assert_every_fill_booked_once()


def filled(desk: Routed) -> int:
    return rows("SELECT count(*) FROM orders_order WHERE venue = %s AND base = 'filled'", desk.name)[0][0]


def left(desk: Routed) -> object:
    return rows(
        "SELECT o.base, c.venue, c.state, c.ended_as, count(*) FROM orders_order o"
        " LEFT JOIN orders_smartchild c ON c.order_id = o.id AND c.state <> 'done'"
        " WHERE o.venue = %s AND o.base <> 'filled' GROUP BY 1, 2, 3, 4",
        desk.name,
    )
