"""The router carries orders to several venues and back, whatever those do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from orders import services
from orders.brokers.paper.market import LiveMarket
from orders.brokers.paper.profile import Faults, PaperProfile
from orders.brokers.smart.broker import SmartBroker
from orders.brokers.smart.views import PaperViews
from orders.domain.commands import PlaceOrder, Schedule
from orders.domain.types import Algorithm, OrderType, TimeInForce
from orders.tests.paper import PaperBroker
from orders.tests.venue import Venue, until
from positions.domain.types import Side
from positions.tests.helpers import BY, rows
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

QUICK: dict[str, Any] = {"latency": 0.001, "resting": 0.0}


class Routed(Venue):
    """A router with venues of its own; `profiles` says how each behaves."""

    ask_working_seconds = 30.0

    def __init__(self, profiles: dict[str, PaperProfile], accounts: int = 1) -> None:
        super().__init__(accounts)
        mark = uuid7().hex[-8:]
        self.name = f"smart-{mark}"
        self.profiles = {f"{venue}-{mark}": profile for venue, profile in profiles.items()}

    def adapter(self) -> SmartBroker:
        venues = {venue: PaperBroker(venue, profile) for venue, profile in self.profiles.items()}
        return SmartBroker(
            self.name, venues, PaperViews(self.profiles, LiveMarket()), ask_working_seconds=self.ask_working_seconds
        )

    def place_one(self, **fields: Any) -> UUID:
        """Place one order to buy, market and gtc unless told otherwise."""
        given = {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.GTC, "quantity": Decimal(1), **fields}
        command = PlaceOrder(
            account_id=self.accounts[0], symbol=self.symbol, side=Side.BUY, client_order_id=str(uuid7()), by=BY,
            source="api", api_key_pk=None, correlation_id=uuid7(), placed_at=clock.now(), **given,
        )  # fmt: skip
        self.show(*self._shown)
        [answer] = services.orders_place(commands=[command], at=clock.now(), venue=self.name)
        assert answer.status == "accepted", answer
        assert answer.order
        return answer.order.id

    def children(self, order_id: UUID) -> dict[str, Decimal]:
        found: dict[str, Decimal] = {}
        for venue, filled in rows(
            "SELECT venue, filled_quantity FROM orders_smartchild WHERE order_id = %s ORDER BY venue", order_id
        ):
            found[venue.split("-")[0]] = found.get(venue.split("-")[0], Decimal(0)) + filled
        return found

    def assert_every_fill_booked_once(self) -> None:
        """Check our executions against the drop copies of the venues, fill by fill."""
        ours = rows("SELECT exec_id, quantity, price FROM orders_execution WHERE venue = %s", self.name)
        theirs = rows(
            "SELECT venue || ':' || exec_id, quantity, price FROM orders_paperreport"
            " WHERE venue = ANY(%s) AND kind = 'trade'",
            list(self.profiles),
        )
        assert sorted(ours) == sorted(theirs)
        assert rows("SELECT id FROM orders_order WHERE venue = %s AND filled_quantity > quantity", self.name) == []
        assert rows("SELECT code FROM orders_parkedreport WHERE venue = %s", self.name) == []


@pytest.fixture
def routed(request) -> Any:
    made: list[Routed] = []

    def make(profiles: dict[str, PaperProfile], accounts: int = 1) -> Routed:
        made.append(Routed(profiles, accounts))
        made[-1].host()
        until(lambda: made[-1].hosts[0].is_speaking)
        return made[-1]

    yield make
    for each in made:
        each.close()


def types_of(order_id: UUID) -> Sequence[str]:
    found = rows("SELECT type FROM audit_event WHERE stream = %s ORDER BY sequence", f"order:{order_id}")
    return [row[0] for row in found]


def test_an_order_larger_than_one_venue_shows_is_filled_by_several_at_once(routed):
    desk = routed({"alpha": PaperProfile(**QUICK), "beta": PaperProfile(**QUICK)})
    desk.show([("99.9", "10")], [("100.1", "3")])
    order_id = desk.place_one(quantity=Decimal(5))
    desk.until_base([order_id], "filled")
    assert desk.children(order_id) == {"alpha": Decimal(3), "beta": Decimal(2)}
    assert "order.route_decided" in types_of(order_id)
    seen = rows("SELECT jsonb_array_length(decision->'views') FROM orders_smartdecision WHERE order_id = %s", order_id)
    assert seen == [(2,)]
    desk.assert_every_fill_booked_once()


def test_the_venue_that_costs_less_is_taken(routed):
    dear = PaperProfile(**QUICK, fee_per_unit=Decimal("0.05"))
    desk = routed({"alpha": dear, "beta": PaperProfile(**QUICK)})
    [order_id] = desk.place()
    desk.until_base([order_id], "filled")
    assert desk.children(order_id) == {"beta": Decimal(1)}


def test_what_a_venue_refuses_goes_to_another(routed):
    desk = routed({"alpha": PaperProfile(**QUICK, faults=Faults(lose=1.0)), "beta": PaperProfile(**QUICK)})
    placed = desk.place(12)
    desk.until_base(placed, "filled")
    assert all(desk.children(order_id)["beta"] > 0 for order_id in placed)
    desk.assert_every_fill_booked_once()


def test_a_venue_whose_line_breaks_delays_few_and_loses_none(routed):
    desk = routed({"alpha": PaperProfile(**QUICK, faults=Faults(fail=1.0)), "beta": PaperProfile(**QUICK)})
    placed = desk.place(30)
    desk.until_base(placed, "filled")
    desk.assert_every_fill_booked_once()


def test_what_a_venue_told_and_nobody_heard_is_asked_for(routed, monkeypatch):
    monkeypatch.setattr(Routed, "ask_working_seconds", 0.2)
    desk = routed({"alpha": PaperProfile(**QUICK, slice_share=Decimal("0.25"), faults=Faults(drop=0.4))})
    placed = [desk.place_one(quantity=Decimal(8 + each)) for each in range(12)]
    desk.until_base(placed, "filled")
    desk.assert_every_fill_booked_once()


def test_a_cancel_that_a_venue_never_got_is_sent_again(routed):
    desk = routed({"alpha": PaperProfile(**QUICK, faults=Faults(lose=0.5))})
    placed = desk.place(8, limit="99.5")
    desk.until_base(placed, "new")
    until(lambda: not rows("SELECT id FROM orders_smartchild WHERE order_id = ANY(%s) AND state = 'sent'", placed))
    for order_id in placed:
        desk.cancel(order_id)
    desk.until_base(placed, "canceled")


def test_a_cancel_takes_every_part_back(routed):
    desk = routed({"alpha": PaperProfile(**QUICK), "beta": PaperProfile(**QUICK)})
    [order_id] = desk.place(limit="99.5")
    desk.until_base([order_id], "new")
    desk.cancel(order_id)
    desk.until_base([order_id], "canceled")
    assert rows("SELECT state FROM orders_smartchild WHERE order_id = %s AND state <> 'done'", order_id) == []
    desk.assert_every_fill_booked_once()


def test_a_replace_takes_the_parts_back_and_sends_what_is_left_on_the_new_terms(routed):
    desk = routed({"alpha": PaperProfile(**QUICK), "beta": PaperProfile(**QUICK)})
    [order_id] = desk.place(limit="99.5")
    desk.until_base([order_id], "new")
    desk.replace(order_id, limit_price=Decimal("100.2"))
    desk.until_base([order_id], "filled")
    desk.assert_every_fill_booked_once()


def test_a_router_that_starts_again_works_on_and_doubles_nothing(routed):
    desk = routed({"alpha": PaperProfile(**QUICK), "beta": PaperProfile(**QUICK)})
    resting = desk.place(5, limit="99.5")
    desk.until_base(resting, "new")
    desk.hosts[0].stop()
    more = desk.place(5)
    desk.host()
    desk.until_base(more, "filled")
    desk.show([("99.0", "1000000")], [("99.4", "1000000")])
    desk.until_base(resting, "filled")
    desk.assert_every_fill_booked_once()


def test_an_order_over_time_is_sent_step_by_step(routed):
    desk = routed({"alpha": PaperProfile(**QUICK)})
    plan = Schedule(algorithm=Algorithm.TWAP, ends_at=clock.now() + timedelta(seconds=4), slices=3)
    order_id = desk.place_one(quantity=Decimal(6), schedule=plan)
    until(lambda: rows("SELECT filled_quantity FROM orders_order WHERE id = %s", order_id) == [(Decimal(2),)])
    assert desk.bases([order_id]) == ["partially_filled"]
    desk.until_base([order_id], "filled")
    sent = rows("SELECT quantity FROM orders_smartchild WHERE order_id = %s ORDER BY id", order_id)
    assert sent == [(Decimal(2),)] * 3


def test_a_type_that_no_venue_here_knows_is_rejected(routed):
    desk = routed({"alpha": PaperProfile(**QUICK)})
    order_id = desk.place_one(order_type=OrderType.STOP, stop_price=Decimal("100.5"))
    desk.until_base([order_id], "rejected")
