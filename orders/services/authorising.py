"""Let in what API keys send: every key of a batch verified in one statement, every budget taken in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings

from accounts.domain.keys import SCOPE_TRADE, grant_refusal
from accounts.domain.rates import RateAnswer, RateRequest, orders_key
from accounts.domain.types import KeyGrant
from accounts.selectors import keys_verify
from accounts.services import rates_take
from audit.domain.types import Actor
from orders.domain.commands import OrderFields, PlaceOrder, Source, place_order
from orders.domain.errors import KeyForbidden, KeyNotAccepted, RateLimited
from trading_portal.kernel.errors import PortalError

TakeRates = Callable[[Sequence[RateRequest]], Sequence[RateAnswer]]


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
    """Return for each what may be placed, or why not: key, then scope and address, then rate.

    Raise Unavailable when rates cannot be counted.
    """
    grants = keys_verify([each.credentials for each in batch], at)
    refusals = [_refusal(each, grant) for each, grant in zip(batch, grants, strict=True)]
    asked = [(each, grant) for each, grant, why in zip(batch, grants, refusals, strict=True) if grant and why is None]
    rates = take_rates([_charge(grant, len(each.orders)) for each, grant in asked]) if asked else []
    let_in = iter([_let_in(each, grant, rate) for (each, grant), rate in zip(asked, rates, strict=True)])
    return [next(let_in) if why is None else why for why in refusals]


def _refusal(asked: KeyedOrders, grant: KeyGrant | None) -> PortalError | None:
    if grant is None:
        return KeyNotAccepted()
    why = grant_refusal(grant, scope=SCOPE_TRADE, address=asked.address)
    return KeyForbidden(why) if why else None


def _let_in(asked: KeyedOrders, grant: KeyGrant, rate: RateAnswer) -> LetIn | PortalError:
    return LetIn(_commands(asked, grant), rate) if rate.is_allowed else RateLimited(rate)


def _charge(grant: KeyGrant, orders: int) -> RateRequest:
    return RateRequest(orders_key(grant.key_id), grant.orders_per_minute or settings.API_ORDERS_PER_MINUTE, orders)


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
