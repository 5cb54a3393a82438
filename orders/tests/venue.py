"""A venue of its own for a test: fresh accounts and instrument, orders placed through risk, hosts that carry it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import msgspec
import redis
from django.conf import settings

from marketdata.domain.channels import PRICES, quote_key
from orders import services
from orders.brokers.protocol import BrokerAdapter, DropCopy, OnReports, VenueCancel, VenueOrder, VenueReplace
from orders.domain.commands import PlaceOrder, ReplaceFields, ReplaceOrder
from orders.domain.facts import Placement
from orders.domain.reports import VenueReport
from orders.domain.types import OrderType, TimeInForce
from orders.hosting.host import VenueHost
from orders.models import Order, VenueLease
from orders.tests.paper import AT_ONCE, PaperBroker, price
from orders.tests.venue_script import Levels
from positions.domain.types import Side
from positions.tests.helpers import BY, new_account, new_instrument, rows
from risk.services import firm_defaults_ensure
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

SECONDS = 20.0
DEEP: tuple[Levels, Levels] = ([("99.9", "1000000")], [("100.1", "1000000")])


class Venue:
    """One paper venue with its orders; the market shows plenty at 99.9 and 100.1 unless told otherwise."""

    def __init__(self, accounts: int = 1) -> None:
        firm_defaults_ensure(at=clock.now())
        self.name = f"paper-{uuid7().hex[-12:]}"
        self.symbol = new_instrument().symbol
        self.accounts = [new_account(("USD", "1000000000")) for _ in range(accounts)]
        self.hosts: list[VenueHost] = []
        self.quantities = count(1)
        self._redis = redis.Redis.from_url(settings.REDIS_URL)
        self._shown = DEEP
        self._closing = threading.Event()
        self._feed = threading.Thread(target=self._keep_fresh, daemon=True)
        self._feed.start()

    def _keep_fresh(self) -> None:
        """Publish what is shown again and again, as a feed does."""
        while not self._closing.wait(0.5):
            self.show(*self._shown)

    def show(self, bids: Levels, asks: Levels) -> None:
        self._shown = (bids, asks)
        update = price(self.symbol, bids=bids, asks=asks)
        self._redis.set(quote_key(self.symbol), msgspec.json.encode(update), ex=5)
        self._redis.publish(PRICES, msgspec.json.encode([update]))

    def place(self, number_of: int = 1, *, limit: str | None = None) -> list[UUID]:
        """Place orders to buy 1, 2, 3…: no two of the same quantity, which risk would take for a slip."""
        answers = self.try_place(number_of, limit=limit)
        assert [answer.status for answer in answers] == ["accepted"] * number_of, answers
        return [answer.order.id for answer in answers if answer.order]

    def try_place(self, number_of: int = 1, *, limit: str | None = None) -> list[Placement]:
        """Place orders, whatever the answer."""
        self.show(*DEEP)
        commands = [
            PlaceOrder(
                account_id=self.accounts[number % len(self.accounts)],
                symbol=self.symbol,
                side=Side.BUY,
                order_type=OrderType.LIMIT if limit else OrderType.MARKET,
                time_in_force=TimeInForce.GTC,
                quantity=Decimal(next(self.quantities)),
                limit_price=Decimal(limit) if limit else None,
                stop_price=None,
                extended_hours=False,
                client_order_id=str(uuid7()),
                by=BY,
                source="api",
                api_key_pk=None,
                correlation_id=uuid7(),
                placed_at=clock.now(),
            )
            for number in range(number_of)
        ]
        return services.orders_place(commands=commands, at=clock.now(), venue=self.name)

    def cancel(self, order_id: UUID) -> None:
        account_id = Order.objects.values_list("account_id", flat=True).get(id=order_id)
        services.order_cancel(order_id=order_id, account_id=account_id, by=BY, correlation_id=uuid7(), at=clock.now())

    def replace(self, order_id: UUID, **changes: Decimal) -> UUID:
        """Ask for other terms, which must be taken; return the id that the order will have."""
        command = ReplaceOrder(
            order_id=order_id,
            account_id=None,
            fields=ReplaceFields(**changes),
            by=BY,
            correlation_id=uuid7(),
            requested_at=clock.now(),
        )
        outcome = services.order_replace(command=command, at=clock.now())
        assert outcome.version is not None, outcome
        return outcome.version.public_id

    def adapter(self) -> BrokerAdapter:
        return PaperBroker(self.name, AT_ONCE)

    def host(self, adapter: Callable[[], BrokerAdapter] | None = None) -> VenueHost:
        host = VenueHost(self.name, adapter or self.adapter)
        host.start()
        self.hosts.append(host)
        return host

    def close(self) -> None:
        for host in self.hosts:
            host.stop()
        self._closing.set()
        self._feed.join()
        self._redis.close()

    def expire_lease(self) -> None:
        """Let the database's clock have moved on past the lease."""
        VenueLease.objects.filter(venue=self.name).update(
            renewed_at=clock.now().replace(year=2020), expires_at=clock.now().replace(year=2020)
        )

    def bases(self, order_ids: Sequence[UUID]) -> list[str]:
        found = dict(Order.objects.filter(id__in=order_ids).values_list("id", "base"))
        return [found[order_id] for order_id in order_ids]

    def states(self, order_ids: Sequence[UUID]) -> list[Any]:
        return rows(
            "SELECT o.base, o.is_unknown, i.kind, i.state, i.attempts FROM orders_order o "
            "LEFT JOIN orders_venueintent i ON i.order_id = o.id WHERE o.id = ANY(%s) AND o.base <> 'filled'",
            list(order_ids),
        )

    def until_base(self, order_ids: Sequence[UUID], base: str) -> None:
        until(lambda: set(self.bases(order_ids)) == {base}, lambda: self.states(order_ids))

    def assert_books_agree(self) -> None:
        """Check that what we booked is, fill by fill, what the venue's drop copy says."""
        ours = rows("SELECT order_id, exec_id, quantity, price FROM orders_execution WHERE venue = %s", self.name)
        theirs = rows(
            "SELECT order_id, exec_id, quantity, price FROM orders_paperreport WHERE venue = %s AND kind = 'trade'",
            self.name,
        )
        assert sorted(ours) == sorted(theirs)
        sums = rows(
            "SELECT o.id FROM orders_order o LEFT JOIN orders_execution e ON e.order_id = o.id WHERE o.venue = %s "
            "GROUP BY o.id HAVING o.filled_quantity <> coalesce(sum(e.quantity), 0) OR o.filled_quantity > o.quantity",
            self.name,
        )
        assert sums == []
        assert rows("SELECT code FROM orders_parkedreport WHERE venue = %s", self.name) == []


def until(
    holds: Callable[[], bool], seen: Callable[[], Any] = lambda: None, seconds: float = SECONDS, every: float = 0.01
) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, seen()
        time.sleep(every)


class FaultyAdapter:
    """Pass everything on to a real adapter, except what a test has told it to lose or hold up."""

    def __init__(self, adapter: BrokerAdapter) -> None:
        self._adapter = adapter
        self.loses_submits = self.loses_cancels = self.loses_replaces = self.loses_reports = self.is_silent = False
        self.lost = 0

    @property
    def name(self) -> str:
        return self._adapter.name

    async def start(self, on_reports: OnReports) -> None:
        def pass_on(reports: Sequence[VenueReport]) -> None:
            if self.loses_reports:
                self.lost += len(reports)
            else:
                on_reports(reports)

        await self._adapter.start(pass_on)

    async def stop(self) -> None:
        await self._adapter.stop()

    async def submit(self, orders: Sequence[VenueOrder]) -> None:
        if self.loses_submits:
            self.lost += len(orders)
            return
        await self._adapter.submit(orders)

    async def cancel(self, cancels: Sequence[VenueCancel]) -> None:
        if self.loses_cancels:
            self.lost += len(cancels)
            return
        await self._adapter.cancel(cancels)

    async def replace(self, replaces: Sequence[VenueReplace]) -> None:
        if self.loses_replaces:
            self.lost += len(replaces)
            return
        await self._adapter.replace(replaces)

    async def query(self, order_ids: Sequence[UUID]) -> Sequence[VenueReport]:
        if self.is_silent:
            raise ConnectionError("The venue does not answer.")
        return await self._adapter.query(order_ids)

    async def drop_copy(self, since_id: int) -> DropCopy:
        if self.is_silent:
            raise ConnectionError("The venue does not answer.")
        return await self._adapter.drop_copy(since_id)


def running_threads(prefix: str) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(prefix)]
