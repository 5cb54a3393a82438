"""Say where new orders go and whether they can: read in the one statement that finds out which orders are there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from audit.domain.types import Actor
from audit.services import events_append
from audit.sql import Row, fetch, fetch_later
from marketdata.domain.types import InstrumentFacts
from orders.brokers.registry import ADAPTERS
from orders.domain.commands import OrderFields, PlaceOrder
from orders.domain.facts import PAPER_VENUE, SMART_VENUE
from orders.domain.grid import order_reasons
from orders.domain.venue_events import RouteRemoved, RouteSet
from orders.models import VenueRoute
from orders.services.breaking import venue_event
from trading_portal.kernel.arrays import texts_of, uuids_of
from trading_portal.kernel.errors import Reason, reason

# Routes and open breakers are few, mostly none: together with the orders they cost no statement of their own. Each id
# is looked for by itself (OFFSET): a join was planned that read all orders of the accounts.
_LOOK = """
SELECT 'order', o.account_id, o.client_order_id, o.id, o.command_hash, o.is_refused, NULL, NULL
FROM unnest(%(accounts)s::uuid[], %(ids)s::text[]) AS wanted(account_id, client_order_id)
CROSS JOIN LATERAL (SELECT * FROM orders_order
     WHERE account_id = wanted.account_id AND client_order_id = wanted.client_order_id OFFSET 0) AS o
UNION ALL
SELECT 'replace', v.account_id, v.client_order_id, v.order_id, NULL, NULL, NULL, NULL
FROM unnest(%(accounts)s::uuid[], %(ids)s::text[]) AS wanted(account_id, client_order_id)
CROSS JOIN LATERAL (SELECT * FROM orders_orderversion
     WHERE account_id = wanted.account_id AND client_order_id = wanted.client_order_id OFFSET 0) AS v
UNION ALL
SELECT 'down', NULL, NULL, NULL, NULL, NULL, venue, NULL FROM orders_breaker WHERE state = 'open'
UNION ALL
SELECT 'route', account_id, NULL, NULL, NULL, is_default, venue, asset_class
FROM orders_venueroute WHERE account_id IS NULL OR account_id = ANY(%(accounts)s::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """An order that has a command's id already; one whose replace has it came of no command to place."""

    order_id: UUID
    command_hash: bytes | None
    is_refused: bool


@dataclass(frozen=True, slots=True)
class Route:
    """Where an account's orders in an asset class may go; None and no class are every one."""

    account_id: UUID | None
    asset_class: str
    venue: str
    is_default: bool


@dataclass(slots=True)
class Surroundings:
    """What a batch meets: orders that have its ids, venues that do not answer, and the routes of its accounts."""

    taken: dict[tuple[UUID, str], Taken] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    routes: list[Route] = field(default_factory=list)

    def venue_of(self, fields: OrderFields, account_id: UUID, asset_class: str, given: str | None = None) -> str:
        """Return where an order goes: where it says, where its caller says, or where its account's routes lead."""
        if fields.venue or given:
            return fields.venue or given or PAPER_VENUE
        if fields.schedule is not None and SMART_VENUE in ADAPTERS:
            return SMART_VENUE
        found = [
            route
            for route in self.routes
            if route.is_default and route.account_id in (None, account_id) and route.asset_class in ("", asset_class)
        ]
        if not found:
            return PAPER_VENUE
        return max(found, key=lambda route: (route.account_id is not None, route.asset_class)).venue

    def fault(self, fields: OrderFields, account_id: UUID) -> Reason | None:
        """Return why an order may not go where it asks to."""
        if fields.venue is None:
            return None
        if fields.venue not in ADAPTERS:
            return reason("VENUE_UNKNOWN", venue=fields.venue)
        if _is_open_to_all(fields.venue):
            return None
        leads = (r for r in self.routes if r.venue == fields.venue and r.account_id in (None, account_id))
        return None if any(leads) else reason("VENUE_NOT_ALLOWED", venue=fields.venue)


def surroundings_later(commands: Sequence[PlaceOrder]) -> Callable[[], Surroundings]:
    """Ask what a batch meets, inside `pipelined`, after its accounts' locks."""
    parameters: dict[str, Any] = {
        "accounts": uuids_of(command.account_id for command in commands),
        "ids": texts_of(command.client_order_id for command in commands),
    }
    rows = fetch_later(_LOOK, parameters)
    return lambda: _surroundings(rows())


def surroundings_of(account_id: UUID) -> Surroundings:
    """Return what an order of an account would meet, but for orders that have its id: nothing is placed."""
    return _surroundings(fetch(_LOOK, {"accounts": uuids_of([account_id]), "ids": texts_of([])}))


def _surroundings(rows: Iterable[Row]) -> Surroundings:
    found = Surroundings()
    for kind, account_id, client_order_id, order_id, command_hash, flag, venue, asset_class in rows:
        if kind == "order":
            found.taken[account_id, client_order_id] = Taken(order_id, bytes(command_hash), flag)
        elif kind == "replace":
            found.taken[account_id, client_order_id] = Taken(order_id, None, is_refused=False)
        elif kind == "down":
            found.down.add(venue)
        else:
            found.routes.append(Route(account_id, asset_class, venue, flag))
    return found


def order_faults(
    fields: OrderFields, account_id: UUID, instrument: InstrumentFacts | None, around: Surroundings, *, at: datetime
) -> list[Reason]:
    """Return why nothing like this can be ordered: no such symbol, no way there, off its grid, too late."""
    why = around.fault(fields, account_id) if instrument else None
    return [why] if why else order_reasons(fields, instrument, at=at)


def venues_offered(account_id: UUID) -> list[str]:
    """Return the venues that an account's orders may name: those open to all, and where its routes lead."""
    leads = set(VenueRoute.objects.filter(Q(account=None) | Q(account=account_id)).values_list("venue", flat=True))
    return [venue for venue in ADAPTERS if venue in leads or _is_open_to_all(venue)]


def _is_open_to_all(venue: str) -> bool:
    return any(fnmatchcase(venue, pattern) for pattern in settings.VENUES_OPEN_TO_ALL)


def venue_route_set(*, route: VenueRoute, by: Actor, at: datetime) -> None:
    """Store where orders go from now on, and say in the venue's stream who said so."""
    with transaction.atomic():
        route.save()
        events_append(events=[venue_event(route.venue, RouteSet(**_route_facts(route)), at, by=by)], at=at)


def venue_route_remove(*, route: VenueRoute, by: Actor, at: datetime) -> None:
    """Let orders go there no longer by this route; what is there already stays."""
    with transaction.atomic():
        facts = _route_facts(route)
        route.delete()
        events_append(events=[venue_event(route.venue, RouteRemoved(**facts), at, by=by)], at=at)


def _route_facts(route: VenueRoute) -> dict[str, Any]:
    return {
        "venue": route.venue,
        "account_id": None if route.account_id is None else str(route.account_id),
        "asset_class": route.asset_class,
        "is_default": route.is_default,
    }
