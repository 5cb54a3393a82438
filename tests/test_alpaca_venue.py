"""One portal trades through another: its Alpaca adapter speaks to the portal's own API, which is Alpaca's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID

import pytest

from orders.brokers.alpaca.broker import AlpacaBroker
from orders.brokers.alpaca.profile import AlpacaProfile
from orders.domain.commands import ReplaceFields, ReplaceOrder
from orders.domain.reports import ReportKind, VenueReport
from orders.hosting import reconciler
from orders.models import Execution, Order, ParkedReport, VenueReportCopy, VenueRoute
from orders.services import executions_record, order_replace
from orders.tests.api import Caller, new_caller
from orders.tests.venue import Venue, until
from positions.tests.helpers import BY, rows
from tests.live import relaying, trading
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module", autouse=True)
def _site(live: str) -> Iterator[None]:
    with relaying(), trading():
        yield


class Upstream(Venue):
    """Orders here, worked by another account's orders at the portal that serves."""

    def __init__(self, live: str) -> None:
        super().__init__()
        self.name = self.name.replace("paper-", "alpaca-")
        self.caller: Caller = new_caller(cash="1000000000")
        self.live = live
        for account_id in self.accounts:
            VenueRoute.objects.create(account_id=account_id, venue=self.name)

    def adapter(self) -> AlpacaBroker:
        profile = AlpacaProfile(
            url=f"http://{self.live}",
            stream_url=f"ws://{self.live}/stream",
            key_id=self.caller.key_id,
            secret_key=self.caller.secret,
            reconnect_seconds=(0.05, 0.2),
        )
        return AlpacaBroker(self.name, profile)

    def theirs(self, order_ids: list[UUID]) -> dict[str, Order]:
        """Return the orders that stand for ours upstream, by our ids."""
        found = Order.objects.filter(account_id=self.caller.account_id)
        return {order.client_order_id: order for order in found if order.client_order_id in map(str, order_ids)}

    def assert_same(self, order_ids: list[UUID]) -> None:
        """Check that each execution here is one upstream, to the cent, and the other way round."""
        ours = rows(
            "SELECT exec_id, quantity, price FROM orders_execution WHERE order_id = ANY(%s) ORDER BY 1", order_ids
        )
        theirs = rows(
            "SELECT e.id::text, e.quantity, e.price FROM orders_execution e JOIN orders_order o ON o.id = e.order_id "
            "WHERE o.account_id = %s ORDER BY 1",
            self.caller.account_id,
        )
        assert ours == theirs
        assert ours


@pytest.fixture
def upstream(live: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    monkeypatch.setattr(reconciler, "COMPARE_SECONDS", 0.5)
    made = Upstream(live)
    yield made
    made.close()


def test_orders_are_filled_upstream_and_booked_here(upstream: Upstream):
    upstream.host()
    orders = upstream.place(3)
    upstream.until_base(orders, "filled")
    assert {order.base for order in upstream.theirs(orders).values()} == {"filled"}
    upstream.assert_same(orders)


def test_a_resting_order_is_canceled_upstream(upstream: Upstream):
    upstream.host()
    (resting,) = upstream.place(limit="95")
    upstream.until_base([resting], "new")
    upstream.cancel(resting)
    upstream.until_base([resting], "canceled")
    assert upstream.theirs([resting])[str(resting)].base == "canceled"


def test_a_replace_goes_upstream_and_the_chain_stays_one_order_here(upstream: Upstream):
    upstream.host()
    (resting,) = upstream.place(limit="95")
    upstream.until_base([resting], "new")
    for quantity, limit in ((5, "96"), (4, "97")):
        fields = ReplaceFields(quantity=Decimal(quantity), limit_price=Decimal(limit))
        command = ReplaceOrder(
            order_id=resting, account_id=None, fields=fields, by=BY, correlation_id=uuid7(), requested_at=clock.now()
        )
        assert order_replace(command=command, at=clock.now()).status == "requested"
        until(lambda quantity=quantity: Order.objects.get(id=resting).quantity == quantity)
    upstream.show([("80", "1")], [("90", "1000")])
    upstream.until_base([resting], "filled")
    order = Order.objects.get(id=resting)
    assert (order.filled_quantity, order.limit_price) == (4, 97)
    upstream.assert_same([resting])


def test_an_order_that_is_refused_upstream_is_rejected_here_with_the_reason(upstream: Upstream):
    upstream.caller = new_caller(cash="1")
    upstream.host()
    (poor,) = upstream.place()
    upstream.until_base([poor], "rejected")
    (reason,) = Order.objects.get(id=poor).reasons
    assert reason["code"] == "VENUE_REJECTED"
    assert "The order needs 110.11 USD; 1 are free." in reason["facts"]["text"]
    until(lambda: VenueReportCopy.objects.filter(venue=upstream.name).exists())
    assert not ParkedReport.objects.filter(venue=upstream.name).exists()


def test_a_bust_and_a_correction_upstream_are_booked_here(upstream: Upstream):
    upstream.host()
    busted, corrected = upstream.place(2)
    upstream.until_base([busted, corrected], "filled")
    for order_id, changes in (
        (busted, {"kind": ReportKind.TRADE_CANCEL}),
        (corrected, {"kind": ReportKind.TRADE_CORRECT, "quantity": Decimal(1), "price": Decimal("99.95")}),
    ):
        there = upstream.theirs([order_id])[str(order_id)]
        ref = Execution.objects.get(order_id=there.id).exec_id
        report = VenueReport(
            venue="paper", order_id=there.id, exec_id=str(uuid7()), ref_exec_id=ref, executed_at=clock.now(), **changes
        )
        executions_record(venue="paper", reports=[report], fence=None, at=clock.now())
    until(lambda: Execution.objects.filter(order_id=corrected, kind="trade_correct").exists())
    until(lambda: not Execution.objects.filter(order_id=busted, is_live=True).exists())
    live = Execution.objects.filter(order_id=corrected, is_live=True).values_list("quantity", "price")
    assert list(live) == [(1, Decimal("99.95"))]
    assert not ParkedReport.objects.filter(venue=upstream.name).exists()


def test_what_was_filled_while_nobody_listened_is_caught_up_with(upstream: Upstream):
    host = upstream.host()
    orders = upstream.place(2, limit="95")
    upstream.until_base(orders, "new")
    host.stop()
    upstream.show([("80", "1")], [("90", "1000")])
    until(lambda: {order.base for order in upstream.theirs(orders).values()} == {"filled"})
    assert not Execution.objects.filter(order_id__in=orders).exists()
    upstream.host()
    upstream.until_base(orders, "filled")
    upstream.assert_same(orders)


def test_a_worker_in_flight_that_dies_is_followed_by_one_that_doubles_nothing(upstream: Upstream):
    first = upstream.host()
    until(lambda: first.is_speaking)
    stopping = threading.Thread(target=first.stop)
    orders = upstream.place(6)
    stopping.start()
    orders += upstream.place(6)
    stopping.join()
    upstream.host()
    upstream.until_base(orders, "filled")
    upstream.assert_same(orders)
    assert len(upstream.theirs(orders)) == 12
    assert VenueReportCopy.objects.filter(venue=upstream.name, report__kind="trade").count() == len(
        Execution.objects.filter(order_id__in=orders)
    )
