"""Say what rebuilt orders hold, as the services hold it while they live."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

from orders.domain.brackets import is_exit, role_of
from orders.domain.facts import OrderFacts
from orders.domain.holding import Held, exits_held, held_by
from orders.domain.rebuilt import RebuiltOrder, Row
from orders.domain.types import STOPS, Leg

_SINCE = frozenset(("opened_at",))
_PRICE = frozenset(("price",))


def reservations_of(
    orders: Iterable[RebuiltOrder], *, account_id: UUID, owner_id: UUID | None
) -> Iterator[tuple[Row, frozenset[str]]]:
    """Yield the reservation of every order that has one, and what is not told of it; a group's exits share one.

    Since when exits hold is not told: their reservation is made anew whenever anything happens in their group.
    """
    groups: dict[UUID, list[RebuiltOrder]] = {}
    for order in orders:
        if not order.held:
            continue
        facts = order.facts(account_id)
        if is_exit(facts):
            groups.setdefault(order.parent_id or order.id, []).append(order)
        elif (held := _held(order, facts)).quantity:
            untold = _PRICE if "worst_price" in order.untold else frozenset()
            yield _row(order, facts, held, owner_id, order.held_since), untold
    for exits in groups.values():
        yield from _shared(exits, account_id, owner_id)


def _shared(exits: list[RebuiltOrder], account_id: UUID, owner_id: UUID | None) -> Iterator[tuple[Row, frozenset[str]]]:
    known = {order.id: (order, order.facts(account_id)) for order in exits}
    # As a group has them: the order that all hang on first, then its legs as they were made; the stop goes last.
    ordered = sorted(
        known.values(), key=lambda each: (role_of(each[1]) is Leg.STOP_LOSS, each[0].parent_id is not None)
    )
    found = exits_held([(facts, order.state, order.asked.terms if order.asked else None) for order, facts in ordered])
    if found is not None:
        facts, held = found
        untold = _SINCE | _PRICE if any("worst_price" in order.untold for order in exits) else _SINCE
        yield _row(known[facts.id][0], facts, held, owner_id, None), untold


def _held(order: RebuiltOrder, facts: OrderFacts) -> Held:
    return held_by(facts, order.state, order.asked.terms if order.asked else None)


def _row(order: RebuiltOrder, facts: OrderFacts, held: Held, owner_id: UUID | None, opened_at: datetime | None) -> Row:
    return {
        "order_id": order.id,
        "instrument_id": order.instrument.id,
        "owner_id": owner_id,
        "side": order.side.value,
        "quantity_left": held.quantity,
        "price": held.price,
        "limit_price": held.limit_price,
        "is_dormant": facts.order_type in STOPS,
        "currency": order.instrument.currency,
        "opened_at": opened_at,
    }
