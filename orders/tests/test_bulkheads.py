"""Venues hosted side by side: one that hangs, in whatever way, is its own trouble."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from orders.brokers.protocol import BrokerAdapter, DropCopy, VenueOrder
from orders.hosting import line, tenure
from orders.hosting.host import VenueHost
from orders.hosting.worker import SILENT_SECONDS
from orders.models import Order
from orders.tests.desk import rows
from orders.tests.venue import FaultyAdapter, Venue, until
from trading_portal.kernel import clock

pytestmark = pytest.mark.django_db
NORMAL = timedelta(seconds=2)


class Hung(FaultyAdapter):
    """An adapter whose calls never return once `hangs`: they wait for ever, or hold up its whole event loop."""

    def __init__(self, adapter: BrokerAdapter, *, is_blocking: bool) -> None:
        super().__init__(adapter)
        self.hangs = False
        self.is_blocking = is_blocking
        self.freed = threading.Event()

    async def _meet(self) -> None:
        if self.hangs and self.is_blocking:
            self.freed.wait()
        elif self.hangs:
            await asyncio.Event().wait()

    async def stop(self) -> None:
        await self._meet()
        await super().stop()

    async def submit(self, orders: Sequence[VenueOrder]) -> None:
        await self._meet()
        await super().submit(orders)

    async def drop_copy(self, since_id: int) -> DropCopy:
        await self._meet()
        return await super().drop_copy(since_id)


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Venue, Venue]]:
    monkeypatch.setattr(line, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(tenure, "JOIN_SECONDS", 1.0)
    made = Venue(accounts=2), Venue(accounts=2)
    yield made
    for venue in made:
        venue.close()


def waited(order_ids: Sequence[UUID]) -> timedelta:
    """Return the longest way from accepted to filled, by the log's own times."""
    found: list[tuple[datetime, datetime]] = rows(
        "SELECT min(recorded_at), max(recorded_at) FROM audit_event "
        "WHERE stream = ANY(%s) AND type IN ('order.accepted', 'order.executed') GROUP BY stream",
        [f"order:{order_id}" for order_id in order_ids],
    )
    assert len(found) == len(order_ids)
    return max(filled - accepted for accepted, filled in found)


@pytest.mark.parametrize("is_blocking", [False, True])
def test_a_hung_venue_does_not_hold_up_its_neighbour_nor_the_process(pair: tuple[Venue, Venue], is_blocking: bool):
    well, sick = pair
    adapter = Hung(sick.adapter(), is_blocking=is_blocking)
    host, hung = well.host(), sick.host(lambda: adapter)
    until(lambda: host.is_speaking and hung.is_speaking)
    sick.until_base(sick.place(1), "filled")
    adapter.hangs = True
    stuck = sick.place(3)
    until(lambda: set(sick.bases(stuck)) == {"pending_new"})
    placed: list[UUID] = []
    deadline = clock.monotonic() + 2.5
    while clock.monotonic() < deadline:
        placed += well.place(2)
        assert_alive(host, hung)
        time.sleep(0.05)
    well.until_base(placed, "filled")
    assert waited(placed) < NORMAL
    assert set(sick.bases(stuck)) == {"pending_new"}
    stopping = threading.Thread(target=hung.stop)
    stopping.start()
    while stopping.is_alive():
        assert_alive(host, hung)
        time.sleep(0.05)
    well.until_base(well.place(2), "filled")
    adapter.hangs = False
    adapter.freed.set()
    asyncio.run(adapter.stop())


def assert_alive(*hosts: VenueHost) -> None:
    """Check what the process's heartbeat rests on: every loop of every host turns."""
    for host in hosts:
        assert host.silent_seconds() < SILENT_SECONDS / 2  # every wait here is a fifth of what it really is


def test_a_venue_that_hung_is_caught_up_with_when_it_comes_back(pair: tuple[Venue, Venue]):
    _, sick = pair
    adapter = Hung(sick.adapter(), is_blocking=True)
    host = sick.host(lambda: adapter)
    until(lambda: host.is_speaking)
    sick.until_base(sick.place(1), "filled")
    adapter.hangs = True
    stuck = sick.place(2)
    until(lambda: set(sick.bases(stuck)) == {"pending_new"})
    adapter.hangs = False
    adapter.freed.set()
    sick.until_base(stuck, "filled")
    assert not Order.objects.filter(id__in=stuck, is_unknown=True).exists()
    sick.assert_books_agree()
