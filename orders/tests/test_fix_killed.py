"""A FIX venue and the worker that speaks to it, killed with -9 in mid-flow: nothing is lost, nothing doubled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from orders.hosting import reconciler
from orders.models import Execution, Order, ParkedReport, VenueIntent, VenueLease, VenueRoute
from orders.tests.fix_driver import FixScript, FixVenue
from orders.tests.venue import Venue, until
from positions.tests.helpers import rows

pytestmark = pytest.mark.django_db


@dataclass
class Trading:
    """A portal's orders at a FIX venue: placed through risk, sent and booked by hosts that may die."""

    script: FixScript
    portal: Venue

    def adapter(self) -> Any:
        return self.script.adapter()

    def place(self, number_of: int) -> list[UUID]:
        return self.portal.place(number_of, limit="101")

    def until_filled(self, orders: Sequence[UUID]) -> None:
        self.portal.until_base(orders, "filled")

    def assert_books_agree(self) -> None:
        """Check that we booked every fill of the venue, once, and nothing else."""
        venue = self.portal.name
        ours = rows("SELECT order_id, exec_id, quantity, price FROM orders_execution WHERE venue = %s", venue)
        partner = self.script.profile.sender_comp_id
        theirs = [
            (UUID(name), exec_id, Decimal(quantity), Decimal(price))
            for name, exec_id, quantity, price in self.script.venue.do("trades", partner=partner)
        ]
        assert sorted(ours) == sorted(theirs)
        assert rows(
            "SELECT o.id FROM orders_order o LEFT JOIN orders_execution e ON e.order_id = o.id WHERE o.venue = %s "
            "GROUP BY o.id HAVING o.filled_quantity <> coalesce(sum(e.quantity), 0) OR o.filled_quantity > o.quantity",
            venue,
        ) == []  # fmt: skip
        assert list(ParkedReport.objects.filter(venue=venue).values_list("code", "report")) == []


@pytest.fixture(scope="module")
def venue() -> Iterator[FixVenue]:
    made = FixVenue()
    yield made
    made.close()


@pytest.fixture
def trading(venue: FixVenue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trading]:
    monkeypatch.setattr(reconciler, "ASK_AFTER", timedelta(seconds=0.5))
    monkeypatch.setattr(reconciler, "TURN_SECONDS", 0.1)
    script = FixScript(venue, tmp_path, heartbeat_seconds=1)
    portal = Venue(accounts=4)
    portal.name = script.name
    for account_id in portal.accounts:
        VenueRoute.objects.create(account_id=account_id, venue=script.name, is_default=False)
    script.show(bids=[("99.9", "1000000")], asks=[("100.1", "1000000")])
    yield Trading(script, portal)
    portal.close()


@pytest.mark.parametrize("point", ["kill", "kill_unsent", "kill_sent"])
def test_a_venue_killed_in_mid_flow_loses_and_doubles_nothing(trading: Trading, point: str):
    host = trading.portal.host(trading.adapter)
    until(lambda: host.is_speaking)
    orders = trading.place(10)
    trading.until_filled(orders)
    trading.script.venue.do("set", what=point, value=True, after=7)
    orders += trading.place(30)
    assert trading.script.venue.process
    trading.script.venue.process.wait(10)
    trading.script.venue.start()
    trading.script.show(bids=[("99.9", "1000000")], asks=[("100.1", "1000000")])
    orders += trading.place(5)
    trading.until_filled(orders)
    trading.assert_books_agree()


@contextmanager
def hosted_elsewhere(trading: Trading, failpoints: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Host the venue in another process, which dies where a failpoint is armed, or when it is killed."""
    told = {"venue": trading.portal.name, "root": str(trading.script.root),
            "profile": msgspec.to_builtins(trading.script.profile)}  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "orders.tests.fix_host_process", json.dumps(told)],
        env={**os.environ, "PORTAL_FAILPOINTS": str(failpoints)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _is_hosted(trading: Trading, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the worker could not start"
    return VenueLease.objects.filter(venue=trading.portal.name).exists()


@pytest.mark.parametrize("point", ["venue.after_send", "venue.before_record"])
def test_a_worker_killed_in_mid_flow_loses_and_doubles_nothing(trading: Trading, tmp_path: Path, point: str):
    (tmp_path / point).write_text("1")
    orders: list[UUID] = []
    with hosted_elsewhere(trading, tmp_path) as process:
        until(lambda: _is_hosted(trading, process), seconds=60)
        deadline = time.monotonic() + 20
        while process.poll() is None:
            assert time.monotonic() < deadline, f"{point} was never reached"
            orders += trading.place(4)
            time.sleep(0.1)
    trading.portal.expire_lease()
    trading.portal.host(trading.adapter)
    trading.until_filled(orders)
    trading.assert_books_agree()


def test_a_stopped_worker_gives_way_to_another_and_says_nothing_when_it_wakes(trading: Trading, tmp_path: Path):
    with hosted_elsewhere(trading, tmp_path) as process:
        orders = trading.place(5)
        trading.until_filled(orders)
        process.send_signal(signal.SIGSTOP)
        orders += trading.place(5)
        trading.portal.expire_lease()
        trading.portal.host(trading.adapter)
        trading.until_filled(orders)
        process.send_signal(signal.SIGCONT)
        orders += trading.place(5)
        trading.until_filled(orders)
        trading.assert_books_agree()
        process.terminate()
        assert process.wait(20) == 0


def test_a_bust_a_correction_and_a_repeat_are_booked_once_each(trading: Trading):
    script = trading.script
    trading.portal.host(trading.adapter)
    (first, second) = trading.portal.place(2, limit="95")
    trading.portal.until_base([first, second], "new")
    do = script.venue.do
    do("fill", name=str(first), quantity="1", price="95")
    do("fill", name=str(second), quantity="2", price="94.5")
    trading.until_filled([first, second])
    do("bust", name=str(first))
    do("repeat", name=str(first))
    do("correct", name=str(second), quantity="1", price="94")
    do("repeat", name=str(second))
    until(lambda: Execution.objects.filter(order_id__in=[first, second]).count() == 4)
    trading.portal.until_base([first], "new")
    trading.portal.until_base([second], "partially_filled")
    held = rows("SELECT filled_quantity, average_price FROM orders_order WHERE id = %s", second)
    assert held == [(1, 94)]
    assert Order.objects.get(id=first).filled_quantity == 0
    assert list(ParkedReport.objects.filter(venue=trading.portal.name).values_list("code", flat=True)) == []


def test_a_cancel_asked_while_the_venue_is_away_reaches_it_when_it_is_back(trading: Trading):
    trading.portal.host(trading.adapter)
    (resting,) = trading.portal.place(limit="95")
    trading.portal.until_base([resting], "new")
    trading.script.venue.kill()
    trading.portal.cancel(resting)
    trading.script.venue.start()
    trading.portal.until_base([resting], "canceled")
    assert set(VenueIntent.objects.filter(order_id=resting).values_list("state", flat=True)) == {"settled"}
