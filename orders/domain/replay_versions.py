"""Rebuild the replaces of an order: asked for, refused, taken, or not."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from msgspec.structs import replace

from audit.domain.types import LoggedEvent
from orders.domain import events as told
from orders.domain.amending import terms_read
from orders.domain.facts import OrderTerms
from orders.domain.rebuilt import CHANGES_SINCE, Reasons, RebuiltOrder, RebuiltVersion, Unreplayable, amount_told
from trading_portal.kernel.money import divide, plain, stored

_TERMS = ("limit_price", "stop_price", "trail_price", "trail_percent", "time_in_force", "expires_at")


def version_ask(order: RebuiltOrder, said: told.OrderReplaceRequested, event: LoggedEvent) -> None:
    """Have an order wait for what its venue says to other terms."""
    order.asked = _asked(order, said, event, Decimal(said.worst_price))
    order.versions.append(order.asked)


def version_refuse(order: RebuiltOrder, said: told.OrderReplaceRefused, event: LoggedEvent) -> None:
    """Keep a replace that risk refused."""
    version = _asked(order, said, event, amount_told(said.worst_price))
    version.state, version.rejected_at, version.reasons = "rejected", event.recorded_at, said.reasons
    if event.version < CHANGES_SINCE:
        version.untold = frozenset(("worst_price",))
    order.versions.append(version)


def version_take(order: RebuiltOrder, said: told.OrderReplaced, event: LoggedEvent) -> None:
    """Give an order the terms that its venue took, and the replace's id and name."""
    version = order.asked
    if version is None or str(version.terms.version_id) != said.request_id:
        raise Unreplayable(f"order {said.order_id} takes the replace {said.request_id}, which it did not wait for")
    order.asked = None
    version.was = _remembered(order, said.was)
    terms = terms_read(said.becomes) | {"worst_price": Decimal(said.worst_price)}
    version.terms = replace(version.terms, **terms)
    version.state, version.accepted_at = "accepted", event.recorded_at
    for before in order.versions:
        if before.terms.version_id == version.terms.replaces:
            before.replaced_at = event.recorded_at
    for name in _TERMS:
        setattr(order, name, terms[name])
    order.worst_price = version.terms.worst_price
    order.untold -= {"expires_at", "worst_price"}
    order.version_number, order.version_id = version.terms.number, version.terms.version_id
    order.current_name = version.terms.client_order_id


def version_reject(order: RebuiltOrder, why: Reasons, event: LoggedEvent) -> None:
    """Let go of a replace that came to nothing."""
    if order.asked is not None:
        order.asked.state, order.asked.rejected_at, order.asked.reasons = "rejected", event.recorded_at, why
        order.asked = None


def _asked(
    order: RebuiltOrder, said: told.OrderReplaceAsked, event: LoggedEvent, worst_price: Decimal | None
) -> RebuiltVersion:
    terms = OrderTerms(
        version_id=UUID(said.request_id),
        number=len(order.versions) + 2,
        client_order_id=said.client_order_id,
        replaces=UUID(said.replaces),
        worst_price=worst_price,
        **terms_read(said.becomes),
    )
    return RebuiltVersion(terms, event.recorded_at)


def _remembered(order: RebuiltOrder, was: Mapping[str, str]) -> Mapping[str, str]:
    """Return what a version that is taken over is remembered by."""
    filled, value = order.filled_quantity, order.filled_value
    average = {"average_price": plain(stored(divide(value, filled)))} if filled else {}
    fills = {"filled_quantity": plain(filled), "filled_value": plain(value)}
    return {**was, **average, "client_order_id": order.current_name, **fills}
