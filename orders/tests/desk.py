"""A desk for one test: fresh accounts, instrument and venue, a live price, and reports as a venue would send them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

from django.db import connection

from orders import services
from orders.domain.commands import PlaceOrder
from orders.domain.facts import CancelOutcome, OrderFacts, Placement, RecordOutcome, VenueMessage
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.types import OrderType, TimeInForce
from orders.selectors import orders_by_id
from positions.domain.types import Side
from positions.tests.helpers import BY, new_account, new_instrument, set_live
from risk.services import firm_defaults_ensure
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7


class Desk:
    """Orders of fresh accounts in a fresh instrument at a fresh venue; the price is 100 and the cash plenty."""

    def __init__(self, *, accounts: int = 1, cash: str = "1000000000") -> None:
        firm_defaults_ensure(at=clock.now())
        self.venue = f"desk-{uuid7().hex[-12:]}"
        self.instrument = new_instrument()
        self.symbol = self.instrument.symbol
        self.accounts = [new_account(("USD", cash)) for _ in range(accounts)]
        self._numbers = count(1)
        self.show()

    @property
    def account(self) -> UUID:
        return self.accounts[0]

    def show(self, price: str = "100") -> None:
        set_live(self.instrument, price, None)

    def command(self, **changes: Any) -> PlaceOrder:
        """Return a command for a limit order; each has its own quantity, as risk takes twins for a slip."""
        fields: dict[str, Any] = {
            "account_id": self.account,
            "symbol": self.symbol,
            "side": Side.BUY,
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.GTC,
            "quantity": Decimal(next(self._numbers)),
            "limit_price": Decimal(100),
            "stop_price": None,
            "extended_hours": False,
            "client_order_id": str(uuid7()),
            "by": BY,
            "source": "api",
            "api_key_pk": None,
            "correlation_id": uuid7(),
            "placed_at": clock.now(),
        }
        fields |= {
            name: Decimal(value) if name in ("quantity", "limit_price") and value is not None else value
            for name, value in changes.items()
        }
        if fields["order_type"] is OrderType.MARKET:
            fields["limit_price"] = None
        return PlaceOrder(**fields)

    def place_all(self, commands: Sequence[PlaceOrder], at: datetime | None = None) -> list[Placement]:
        self.show()
        return services.orders_place(commands=commands, at=at or clock.now(), venue=self.venue)

    def accepted(self, **changes: Any) -> UUID:
        """Place one order, which must be accepted."""
        placement = self.place_all([self.command(**changes)])[0]
        assert placement.status == "accepted", placement
        assert placement.order is not None
        return placement.order.id

    def sent(self, **changes: Any) -> UUID:
        """Place one order and have it sent."""
        order_id = self.accepted(**changes)
        assert [message.order_id for message in self.claim()] == [order_id]
        return order_id

    def working(self, **changes: Any) -> UUID:
        """Place one order that the venue has acknowledged."""
        order_id = self.sent(**changes)
        self.record(self.report(order_id, ReportKind.NEW))
        return order_id

    def claim(self, limit: int = 1000, at: datetime | None = None) -> list[VenueMessage]:
        return services.venue_claim(venue=self.venue, fence=None, limit=limit, at=at or clock.now())

    def report(self, order_id: UUID, kind: ReportKind, **facts: Any) -> VenueReport:
        numbers = {
            name: Decimal(value) for name, value in facts.items() if name in ("quantity", "price", "fee") and value
        }
        given = {"exec_id": uuid7().hex, "venue_order_id": f"v-{order_id}", "executed_at": clock.now()}
        return VenueReport(**{"venue": self.venue, "kind": kind, "order_id": order_id, **given, **facts, **numbers})

    def trade(self, order_id: UUID, quantity: str, price: str = "100", **facts: Any) -> VenueReport:
        return self.report(order_id, ReportKind.TRADE, quantity=quantity, price=price, **facts)

    def record(self, *reports: VenueReport) -> RecordOutcome:
        return services.executions_record(venue=self.venue, reports=reports, fence=None, at=clock.now())

    def cancel(self, order_id: UUID, account_id: UUID | None = None) -> CancelOutcome:
        return services.order_cancel(
            order_id=order_id, account_id=account_id or self.account, by=BY, correlation_id=uuid7(), at=clock.now()
        )

    def order(self, order_id: UUID) -> OrderFacts:
        return orders_by_id([order_id])[order_id]

    def status(self, order_id: UUID) -> str:
        return self.order(order_id).status

    def events(self, order_id: UUID) -> list[str]:
        """Return the types of an order's events, its sequence checked for gaps."""
        found = rows("SELECT sequence, type FROM audit_event WHERE stream = %s ORDER BY sequence", f"order:{order_id}")
        assert [row[0] for row in found] == list(range(1, len(found) + 1))
        return [row[1].removeprefix("order.") for row in found]

    def held(self) -> Decimal:
        """Return what the account holds of the instrument."""
        found = rows(
            "SELECT quantity FROM positions_holding WHERE account_id = %s AND instrument_id = %s",
            self.account,
            self.instrument.id,
        )
        return found[0][0] if found else Decimal(0)

    def cash(self) -> Decimal:
        return rows("SELECT balance FROM positions_cashbalance WHERE account_id = %s", self.account)[0][0]

    def reserved(self, order_id: UUID) -> Decimal | None:
        found = rows("SELECT quantity_left FROM positions_reservation WHERE order_id = %s", order_id)
        return found[0][0] if found else None

    def intents(self, order_id: UUID) -> list[tuple[str, str]]:
        return rows("SELECT kind, state FROM orders_venueintent WHERE order_id = %s ORDER BY id", order_id)

    def parked(self) -> list[str]:
        return [r[0] for r in rows("SELECT code FROM orders_parkedreport WHERE venue = %s ORDER BY id", self.venue)]


def rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()
