"""React to committed events."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from audit.domain.types import EventRecord
from orders import broadcasts, eventstream, services
from trading_portal.kernel import clock

KILL_SWITCH_TYPES = frozenset(("kill_switch.latched",))


def accounts_watched(account_ids: Collection[UUID]) -> Collection[UUID]:
    """Return those of the accounts that somebody watches now."""
    return broadcasts.accounts_watched(account_ids)


def accounts_push(events: Sequence[EventRecord]) -> None:
    """Push what changed in each account to its open pages and streams."""
    broadcasts.accounts_publish(events, at=clock.now())


def accounts_held(account_ids: Collection[UUID]) -> Collection[UUID]:
    """Return those of the accounts that somebody reads through Pushpin now."""
    return eventstream.accounts_held(account_ids, clock.now())


def streams_publish(events: Sequence[EventRecord]) -> None:
    """Send events to those who read their accounts through Pushpin."""
    eventstream.events_publish(events, at=clock.now())


def killed_orders_cancel(events: Sequence[EventRecord]) -> None:
    """Cancel every open order in the scope of a switch that was latched."""
    for event in events:
        if event.type in KILL_SWITCH_TYPES:
            services.orders_cancel_killed(kill_switch_id=UUID(event.payload["kill_switch_id"]), at=clock.now())
