"""10,000 orders at a venue that loses, doubles and mixes up its reports, and whose host is killed twice.

Every order ends in its true state, and cash and positions equal the venue's own drop copy to the last digit. A control
run without reconciliation shows that the same faults leave orders behind.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from orders import services
from orders.brokers.paper.broker import PaperBroker
from orders.brokers.paper.profile import Faults, PaperProfile
from orders.domain.commands import PlaceOrder
from orders.domain.reports import VenueReport
from orders.domain.types import OrderType, TimeInForce
from orders.hosting.sender import venue_order
from orders.models import VenueLease
from orders.tests.venue import DEEP, Venue
from positions.domain.types import Side
from positions.tests.helpers import BY, rows
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(240)]
ORDERS = int(os.environ.get("PORTAL_DRILL_FAULTY_ORDERS", "10000"))
EACH = 80  # orders of one account
BATCH = 500
CASH = Decimal(1_000_000_000)
TRUE_SECONDS = 90.0
FAULTS = {
    "PORTAL_PAPER_DROP_PERCENT": "10",
    "PORTAL_PAPER_DUPLICATE_PERCENT": "10",
    "PORTAL_PAPER_REORDER_PERCENT": "10",
    "PORTAL_PAPER_FEE_RATE": "0.00037",
    "PORTAL_PAPER_FAULT_SEED": "7",
}
# Even accounts leave orders between the quotes, which odd accounts and the market trade with.
BUYS = {
    0: [("limit", "gtc", "99.95"), ("market", "gtc", None), ("limit", "ioc", "100.1"), ("limit", "gtc", "90.5")],
    1: [("limit", "gtc", "90"), ("market", "day", None), ("limit", "fok", "100.1"), ("limit", "day", "100.1")],
}
SELLS = {
    0: [("limit", "gtc", "100.05"), ("limit", "gtc", "109"), ("limit", "gtc", "100.05"), ("limit", "day", "109.5")],
    1: [("market", "gtc", None), ("limit", "ioc", "99.9"), ("limit", "gtc", "99.95"), ("limit", "gtc", "109")],
}
FAR = (Decimal("90"), Decimal("90.5"), Decimal("109"), Decimal("109.5"))


def wait_for(holds: Callable[[], bool], seen: Callable[[], Any], pause: float = 0.5) -> None:
    """Wait, looking rarely: every look costs the database time that the orders need."""
    deadline = time.monotonic() + TRUE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, seen()
        time.sleep(pause)


class Crowd:
    """Many accounts that order at one venue, in batches."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.placed: list[UUID] = []

    def command(self, account: int, number: int) -> PlaceOrder:
        """Return an account's n-th order: in the first half it buys, in the second it sells less than it has."""
        buys = number < EACH // 2
        order_type, tif, limit = (BUYS if buys else SELLS)[account % 2][number % 4]
        return PlaceOrder(
            account_id=self.venue.accounts[account],
            symbol=self.venue.symbol,
            side=Side.BUY if buys else Side.SELL,
            order_type=OrderType(order_type),
            time_in_force=TimeInForce(tif),
            quantity=Decimal(60 + number if buys else number - EACH // 2 + 1),
            limit_price=Decimal(limit) if limit else None,
            client_order_id=str(uuid7()),
            by=BY,
            source="api",
            api_key_pk=None,
            correlation_id=uuid7(),
            placed_at=clock.now(),
        )

    def place(self, numbers: range, strike: Callable[[], None] | None = None) -> None:
        """Place these orders of every account, and strike in the middle."""
        todo = [(account, number) for number in numbers for account in range(len(self.venue.accounts))]
        batches = [todo[start : start + BATCH] for start in range(0, len(todo), BATCH)]
        for count, batch in enumerate(batches):
            self.venue.show(*DEEP)
            commands = [self.command(account, number) for account, number in batch]
            answers = services.orders_place(commands=commands, at=clock.now(), venue=self.venue.name)
            refused = Counter(str(answer.refusal) for answer in answers if answer.status != "accepted")
            assert not refused, refused
            self.placed += [answer.order.id for answer in answers if answer.order]
            if strike and count == len(batches) // 2:
                strike()

    def cancel_far(self) -> None:
        """Ask for the end of everything that rests far from the market, while more is happening."""
        far = rows(
            "SELECT id FROM orders_order WHERE venue = %s AND limit_price = ANY(%s) AND base IN ('new', 'pending_new')",
            self.venue.name,
            list(FAR),
        )
        for start in range(0, len(far), BATCH):
            ids = [row[0] for row in far[start : start + BATCH]]
            services.orders_cancel(order_ids=ids, account_id=None, by=BY, correlation_id=uuid7(), at=clock.now())


class Hosts:
    """Hosts of one faulty venue, in processes of their own: one holds it, the others wait for it to fall."""

    def __init__(self, venue: Venue, number_of: int) -> None:
        self._venue = venue
        command = [sys.executable, "-m", "orders.tests.host_processes", venue.name, str(number_of)]
        self._group = subprocess.Popen(command, env={**os.environ, **FAULTS}, start_new_session=True)
        self.kills = 0

    def kill(self) -> None:
        """Kill the one that holds the venue with -9, in the middle of its work, and let its lease run out."""
        before = self._recorded()
        wait_for(lambda: self._recorded() > before, self._recorded, pause=0.02)
        holder = VenueLease.objects.get(venue=self._venue.name).holder
        os.kill(int(holder.split(":")[1]), signal.SIGKILL)
        self.kills += 1
        self._venue.expire_lease()

    def _recorded(self) -> int:
        """Return how many reports of the venue are recorded."""
        found: int = rows("SELECT count(*) FROM orders_recordedreport WHERE venue = %s", self._venue.name)[0][0]
        return found

    def close(self) -> None:
        os.killpg(self._group.pid, signal.SIGKILL)
        self._group.wait()


@pytest.fixture
def venue() -> Iterator[Venue]:
    made = Venue(accounts=ORDERS // EACH)
    yield made
    made.close()


@pytest.fixture
def hosts(venue: Venue) -> Iterator[Hosts]:
    made = Hosts(venue, 3)
    yield made
    made.close()


def untrue(venue: Venue) -> list[tuple[Any, ...]]:
    """Return the orders that do not stand here as they stand at the venue, or still wait for something."""
    return rows(
        """
        SELECT o.id, o.base, o.pending, o.is_unknown, o.filled_quantity, p.state, p.filled_quantity
        FROM orders_order o LEFT JOIN orders_paperorder p ON p.order_id = o.id AND p.venue = o.venue
        WHERE o.venue = %s AND (
            o.pending <> 'none' OR o.is_unknown OR o.filled_quantity IS DISTINCT FROM p.filled_quantity
            OR o.base IS DISTINCT FROM CASE p.state WHEN 'open' THEN
                CASE WHEN p.filled_quantity > 0 THEN 'partially_filled' ELSE 'new' END ELSE p.state END
            OR EXISTS (SELECT FROM orders_venueintent i WHERE i.order_id = o.id AND i.state IN ('due', 'sent')))
        LIMIT 5
        """,
        venue.name,
    )


def by_drop_copy(venue: Venue) -> dict[UUID, tuple[Decimal, Decimal]]:
    """Return each account's cash and holding as the venue's drop copy alone makes them."""
    found = rows(
        """
        SELECT o.account_id,
               sum(CASE o.side WHEN 'buy' THEN -1 ELSE 1 END * r.quantity * r.price - r.fee),
               sum(CASE o.side WHEN 'buy' THEN 1 ELSE -1 END * r.quantity)
        FROM orders_paperreport r JOIN orders_order o ON o.id = r.order_id
        WHERE r.venue = %s AND r.kind = 'trade' GROUP BY o.account_id
        """,
        venue.name,
    )
    return {account_id: (CASH + cash, quantity) for account_id, cash, quantity in found}


def as_booked(venue: Venue) -> dict[UUID, tuple[Decimal, Decimal]]:
    found = rows(
        """
        SELECT b.account_id, b.balance, h.quantity FROM positions_cashbalance b
        JOIN positions_holding h ON h.account_id = b.account_id WHERE b.account_id = ANY(%s)
        """,
        list(venue.accounts),
    )
    return {account_id: (cash, quantity) for account_id, cash, quantity in found}


def differing_fills(venue: Venue) -> list[tuple[Any, ...]]:
    """Return fills that only one side has, or that the sides have differently."""
    return rows(
        """
        WITH theirs AS (SELECT * FROM orders_paperreport WHERE venue = %s AND kind = 'trade'),
             ours AS (SELECT * FROM orders_execution WHERE venue = %s)
        SELECT exec_id, ours.quantity, theirs.quantity FROM ours FULL JOIN theirs USING (exec_id)
        WHERE (ours.quantity, ours.price, ours.fee) IS DISTINCT FROM (theirs.quantity, theirs.price, theirs.fee) LIMIT 5
        """,
        venue.name,
        venue.name,
    )


def test_every_order_ends_true_at_a_venue_that_loses_doubles_and_mixes_and_is_killed_twice(venue, hosts):
    crowd = Crowd(venue)
    crowd.place(range(EACH // 2), strike=hosts.kill)
    wait_for(lambda: not _waiting(venue), lambda: _waiting(venue))
    crowd.cancel_far()
    crowd.place(range(EACH // 2, EACH), strike=hosts.kill)
    crowd.cancel_far()
    wait_for(lambda: not untrue(venue), lambda: untrue(venue))
    assert (len(set(crowd.placed)), hosts.kills) == (ORDERS, 2)
    assert differing_fills(venue) == []
    assert by_drop_copy(venue) == as_booked(venue)
    states = Counter(row[0] for row in rows("SELECT base FROM orders_order WHERE venue = %s", venue.name))
    assert sum(states.values()) == ORDERS
    assert min(states[base] for base in ("filled", "canceled", "new")) > ORDERS // 100, states
    assert rows("SELECT code FROM orders_parkedreport WHERE venue = %s", venue.name) == []


def _waiting(venue: Venue) -> list[Any]:
    """Return whether accounts still lack what the second half sells."""
    return rows(
        "SELECT 1 FROM orders_order WHERE venue = %s AND type = 'market' AND base <> 'filled' LIMIT 1", venue.name
    )


def test_without_reconciliation_the_same_faults_leave_orders_behind():
    venue = Venue(accounts=1)
    profile = PaperProfile(0, 0, faults=Faults(drop=0.1, duplicate=0.1, reorder=0.1, seed=7))
    broker, heard = PaperBroker(venue.name, profile), list[VenueReport]()
    try:
        placed = venue.place(80)
        messages = services.venue_claim(venue=venue.name, fence=None, limit=100, at=clock.now())
        asyncio.run(_submit(broker, [venue_order(message) for message in messages], heard))
        services.executions_record(venue=venue.name, reports=heard, fence=None, at=clock.now())
        assert len(messages) == len(placed)
        assert untrue(venue)
        assert differing_fills(venue)
    finally:
        venue.close()


async def _submit(broker: PaperBroker, orders: Sequence[Any], heard: list[VenueReport]) -> None:
    await broker.start(heard.extend)
    await broker.submit(orders)
    deadline = time.monotonic() + 10
    while len(heard) < len(orders) and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    await broker.stop()
