"""The last check before an order leaves: what is sent is what was approved, to a place it may go to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from audit.sql import fetch
from orders.domain.brackets import is_exit
from orders.domain.facts import OrderFacts, OrderTerms
from orders.domain.types import Leg
from risk.domain.egress import Leaving
from risk.selectors import sends_refused
from trading_portal.kernel.errors import Reason, reason

_LED_THERE = """
SELECT DISTINCT wanted.account_id FROM unnest(%s::uuid[]) AS wanted(account_id)
JOIN orders_venueroute route ON route.account_id IS NULL OR route.account_id = wanted.account_id
WHERE route.venue = %s
"""


@dataclass(frozen=True, slots=True)
class Gateway:
    """What a worker knows of its venue: why it may be sent nothing new, and whether it lies outside this portal."""

    refusal: Reason | None = None
    is_outside: bool = False


OPEN_GATEWAY = Gateway()


def orders_refused(
    orders: Iterable[OrderFacts],
    replaces: Iterable[tuple[OrderFacts, OrderTerms]] = (),
    *,
    venue: str,
    gateway: Gateway,
) -> dict[UUID, Reason]:
    """Return the orders and replaces (by their own id) that may not be sent now, each with why.

    One statement, two for a venue outside. Read when the intent to send is stored. Cancels need not ask.
    """
    leaving = [*map(_leaving, orders), *(_replacing(*each) for each in replaces)]
    if not leaving:
        return {}
    if gateway.refusal is not None:
        return {each.order_id: gateway.refusal for each in leaving}
    refused = sends_refused(leaving, venue)
    if gateway.is_outside:
        led = {row[0] for row in fetch(_LED_THERE, [[each.account_id for each in leaving], venue])}
        why = reason("EGRESS_REFUSED", why=f"no route leads its account to {venue}")
        refused |= {each.order_id: why for each in leaving if each.account_id not in led}
    return refused


def _leaving(order: OrderFacts) -> Leaving:
    quantity = order.quantity if order.leg is Leg.NONE else None
    return Leaving(order.id, order.parent_id, order.account_id, order.instrument_id, quantity, order.limit_price)


def _replacing(order: OrderFacts, terms: OrderTerms) -> Leaving:
    """Return what leaves with a replace: it has a decision of its own, unless it takes from an exit of a group."""
    parent_id = (order.parent_id or order.id) if is_exit(order) else None
    quantity = None if is_exit(order) else terms.quantity
    return Leaving(terms.version_id, parent_id, order.account_id, order.instrument_id, quantity, terms.limit_price)
