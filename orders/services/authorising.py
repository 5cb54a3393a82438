"""Let in what API keys send: every key of a batch verified in one statement, every budget taken in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from accounts.domain.admission import Admission, Call
from accounts.domain.keys import SCOPE_TRADE
from accounts.domain.rates import RateAnswer
from accounts.domain.types import KeyGrant
from accounts.services import TakeRates, calls_admit, orders_request, rates_take
from audit.domain.types import Actor
from orders.domain.commands import OrderFields, PlaceOrder, Source, place_order
from orders.domain.errors import KeyForbidden, KeyNotAccepted, RateLimited
from trading_portal.kernel.errors import PortalError


@dataclass(frozen=True, slots=True)
class KeyedOrders:
    """Orders that came with an API key from an address, not yet known to be allowed."""

    credentials: tuple[str, str]
    address: str
    orders: tuple[OrderFields, ...]
    source: Source
    correlation_id: UUID
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class LetIn:
    """Orders that may be placed, and what their key has left."""

    commands: tuple[PlaceOrder, ...]
    rate: RateAnswer | None


def keyed_orders_let_in(
    batch: Sequence[KeyedOrders], *, take_rates: TakeRates = rates_take, at: datetime
) -> list[LetIn | PortalError]:
    """Return for each what may be placed, or why not. Raise Unavailable when rates cannot be counted."""
    calls = [
        Call(each.credentials, each.address, SCOPE_TRADE, partial(orders_request, cost=len(each.orders)))
        for each in batch
    ]
    admissions = calls_admit(calls, at=at, take_rates=take_rates)
    return [_let_in(*pair) for pair in zip(batch, admissions, strict=True)]


def _let_in(asked: KeyedOrders, found: Admission) -> LetIn | PortalError:
    if found.reading is None:
        return KeyNotAccepted()
    if found.why is not None:
        return KeyForbidden(found.why)
    if found.rate is not None and not found.rate.is_allowed:
        return RateLimited(found.rate)
    return LetIn(_commands(asked, found.reading.grant), found.rate)


def _commands(each: KeyedOrders, grant: KeyGrant) -> tuple[PlaceOrder, ...]:
    by = Actor.api_key(grant.key_id)
    return tuple(
        place_order(
            fields,
            account_id=grant.account_id,
            by=by,
            source=each.source,
            correlation_id=each.correlation_id,
            placed_at=each.placed_at,
            api_key_pk=grant.key_pk,
        )
        for fields in each.orders
    )
