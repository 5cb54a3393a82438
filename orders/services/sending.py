"""Hand out what a venue is to be told: the intent to send is stored before anybody calls the venue."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from msgspec.structs import replace

from accounts.domain.types import LockedAccounts
from accounts.services import accounts_lock, accounts_lock_later
from audit.domain.types import Actor
from audit.sql import execute, fetch, fetch_later, pipelined
from orders.domain.events import OrderDropped, OrderRejected, OrderReplaceRejected, OrderRouted, OrderUnknown
from orders.domain.facts import VenueMessage
from orders.domain.order import EventKind, OrderEvent
from orders.domain.reasons import sentence
from orders.domain.scenarios import scenario_of
from orders.domain.states import InvalidTransition
from orders.domain.types import BaseState, IntentKind
from orders.services.gateway import OPEN_GATEWAY, Gateway, orders_refused
from orders.services.groups import groups_follow
from orders.services.intents import intents_drop, intents_sent
from orders.services.leasing import lease_require
from orders.services.reserving import reservations_follow
from orders.services.versions import Settled, terms_facts, version_settle, versions_settle
from orders.services.working import (
    Journal,
    WorkingOrder,
    orders_locked,
    orders_locked_later,
    orders_save,
    reasons_stored,
)
from positions.services import reservations_release
from trading_portal.kernel.arrays import bigints_of, texts_of, uuids_of
from trading_portal.kernel.errors import Reason
from trading_portal.kernel.failpoints import failpoint
from trading_portal.kernel.money import plain

_ROUTED = OrderEvent(EventKind.ROUTED)
_DROPPED = OrderEvent(EventKind.DROPPED)
_TIMED_OUT = OrderEvent(EventKind.TIMED_OUT)
_REPLACE_REJECTED = OrderEvent(EventKind.REPLACE_REJECTED)
_NEVER_HEARD = OrderEvent(EventKind.NEVER_HEARD)
# Head of line: nothing of an order is handed out while something older of it waits. A day that is over is not begun.
# What is older is looked for by its order: `|| ''` keeps the planner from the index of what is due, and OFFSET from a
# join; either it takes for tiny when nothing was due as statistics were taken, and reads as a whole for each candidate.
_CANDIDATES = """
SELECT intent.id, o.id, o.account_id
FROM orders_venueintent intent JOIN orders_order o ON o.id = intent.order_id
WHERE intent.venue = %s AND intent.state = 'due' AND intent.due_at <= %s
  AND (o.base <> 'accepted' OR o.expires_at IS NULL OR o.expires_at > %s)
  AND NOT EXISTS (SELECT 1 FROM orders_venueintent older
                  WHERE older.order_id = intent.order_id AND older.id < intent.id
                  AND older.state IN ('due', 'sent') AND older.state || '' = 'due' OFFSET 0)
ORDER BY intent.due_at, intent.id LIMIT %s
"""
_TAKE = """
SELECT id, order_id, kind, attempts FROM orders_venueintent
WHERE id = ANY(%s::bigint[]) AND state = 'due' ORDER BY due_at, id FOR UPDATE SKIP LOCKED
"""
_SILENT = """
SELECT DISTINCT o.id, o.account_id
FROM orders_venueintent intent JOIN orders_order o ON o.id = intent.order_id
WHERE intent.venue = %s AND intent.state = 'sent' AND intent.sent_at <= %s AND NOT o.is_unknown
"""
_RETRY = """
UPDATE orders_venueintent AS intent SET state = 'due', due_at = %(at)s
FROM orders_order o
WHERE o.id = intent.order_id AND intent.venue = %(venue)s AND intent.state = 'sent'
  AND (NOT o.is_unknown OR intent.kind <> 'submit')
  AND intent.order_id = ANY(%(orders)s) AND intent.kind = ANY(%(kinds)s)
"""
Taken = tuple[int, UUID, str, int]


def venue_claim(
    *, venue: str, fence: int | None, limit: int, gateway: Gateway = OPEN_GATEWAY, at: datetime
) -> list[VenueMessage]:
    """Return what is to be sent to a venue now, its intents stored as sent and its orders as on their way.

    An order that the gateway stops is dropped instead (row 46), a replace is rejected; cancels always pass.
    Send what is returned, in its order, after this has committed. Raise LeaseLost when another worker holds the venue.
    """
    with transaction.atomic(), pipelined():
        lease_require(venue=venue, fence=fence, must_last=True)
        candidates = fetch(_CANDIDATES, [venue, at, at, limit])
        if not candidates:
            return []
        # Accounts before orders before intents, as everywhere: the intents are looked at again under the lock.
        held = accounts_lock_later({account_id for _, _, account_id in candidates})
        working = orders_locked_later({order_id for _, order_id, _ in candidates})
        rows = fetch_later(_TAKE, [bigints_of(intent_id for intent_id, _, _ in candidates)])
        locked, orders = held(), working()
        taken: list[Taken] = [tuple(row) for row in rows()]
        messages = _claim(taken, orders, locked, venue, fence, gateway, at)
        failpoint("venue.after_claim")
    return messages


def _claim(
    taken: Sequence[Taken],
    candidates: Mapping[UUID, WorkingOrder],
    locked: LockedAccounts,
    venue: str,
    fence: int | None,
    gateway: Gateway,
    at: datetime,
) -> list[VenueMessage]:
    orders = {order_id: candidates[order_id] for _, order_id, _, _ in taken}
    journal = Journal(locked, at=at)
    fresh = dict.fromkeys(order_id for _, order_id, kind, _ in taken if kind == IntentKind.SUBMIT)
    asked = [orders[order_id] for _, order_id, kind, _ in taken if kind == IntentKind.REPLACE]
    replaces = [(order.facts, order.asked) for order in asked if order.asked]
    blocked = orders_refused((orders[key].facts for key in fresh), replaces, venue=venue, gateway=gateway)
    messages: list[VenueMessage] = []
    dropped: list[UUID] = []
    settled: list[Settled] = []
    for intent_id, order_id, kind, attempts in taken:
        order = orders[order_id]
        if kind == IntentKind.SUBMIT and (why := blocked.get(order_id)):
            _drop(order, why, journal, at)
            dropped.append(order_id)
            continue
        if kind == IntentKind.REPLACE and order.asked and (why := blocked.get(order.asked.version_id)):
            settled.append(_drop_replace(order, why, journal, at))
            continue
        if order.state.base is BaseState.ACCEPTED:
            order.apply(_ROUTED, at=at)
            order.facts = replace(order.facts, routed_at=at)
            journal.note(order, OrderRouted, by=Actor.system("venue"), venue=venue, attempt=attempts + 1)
        messages.append(_message(intent_id, IntentKind(kind), attempts + 1, order))
    stopped = [each.order for each in settled]
    # What a group holds follows a replace that came to nothing; asking again is the sweep's.
    spared = {order.facts.id for order in stopped}
    moved = orders.values() if dropped or stopped else ()
    followed = groups_follow(moved, locked, journal, at=at, spared=spared)
    with pipelined():
        intents_drop([*dropped, *spared], at=at)
        intents_sent([message.intent_id for message in messages], fence=fence, at=at)
        reservations_release(order_ids=dropped)
        reservations_follow(stopped, locked=locked, instruments={}, at=at)
        versions_settle(settled, at=at)
        orders_save((order for order in orders.values() if order.sequence > order.facts.event_sequence), at=at)
        followed.write(at=at)
        journal.write()
    return messages


def _drop(order: WorkingOrder, why: Reason, journal: Journal, at: datetime) -> None:
    """Stop an order at the gateway; one that was to be sent again ends as one the venue never heard of."""
    stored = reasons_stored([why])
    order.facts = replace(order.facts, reasons=stored)
    by = Actor.system("venue")
    if order.state.base is BaseState.ACCEPTED:
        order.apply(_DROPPED, at=at)
        journal.note(order, OrderDropped, by=by, reasons=tuple(stored))
        return
    _mark(order, journal, order.facts.venue, 0, at)
    order.apply(_NEVER_HEARD, at=at)
    reported: dict[str, Any] = {
        "venue": order.facts.venue,
        "venue_order_id": None,
        "exec_id": None,
        "text": "never sent",
    }
    journal.note(order, OrderRejected, by=by, reasons=tuple(stored), **reported)


def _drop_replace(order: WorkingOrder, why: Reason, journal: Journal, at: datetime) -> Settled:
    """Stop a replace at the gateway: the order is what it was, and can be cancelled."""
    before = order.state
    order.apply(_REPLACE_REJECTED, at=at)
    settled = version_settle(order, before, EventKind.REPLACE_REJECTED, None, why)
    if settled is None:
        raise LookupError(f"order {order.facts.id} waits for no replace")
    stopped: dict[str, Any] = {
        "venue": order.facts.venue,
        "venue_order_id": None,
        "exec_id": None,
        "text": sentence(why.code, why.facts),
        "reserved_quantity": plain(order.held.quantity),
        "reasons": tuple(reasons_stored([why])),
    }
    journal.note(order, OrderReplaceRejected, by=Actor.system("venue"), **stopped, **terms_facts(settled))
    return settled


def _message(intent_id: int, kind: IntentKind, attempt: int, order: WorkingOrder) -> VenueMessage:
    facts = order.facts
    return VenueMessage(
        intent_id,
        kind,
        attempt,
        facts.id,
        facts.account_id,
        facts.instrument_id,
        facts.symbol,
        facts.side,
        facts.order_type,
        facts.time_in_force,
        facts.quantity,
        facts.limit_price,
        facts.stop_price,
        facts.trail_price,
        facts.trail_percent,
        facts.good_till,
        facts.extended_hours,
        facts.schedule,
        terms=order.asked if kind is IntentKind.REPLACE else None,
        scenario=scenario_of(facts.client_order_id),
    )


def orders_unknown_mark(*, venue: str, sent_before: datetime, fence: int | None, at: datetime) -> list[UUID]:
    """Flag orders as unknown whose message was sent by an instant and never answered (row 43); return their ids.

    Nothing else changes: the reservation stays, and the venue is to be asked. Any authoritative report clears it.
    """
    with transaction.atomic():
        lease_require(venue=venue, fence=fence)
        silent = fetch(_SILENT, [venue, sent_before])
        if not silent:
            return []
        locked = accounts_lock({account_id for _, account_id in silent})
        journal = Journal(locked, at=at)
        waited = int((at - sent_before).total_seconds())
        marked = [
            order
            for order in orders_locked({order_id for order_id, _ in silent}).values()
            if _mark(order, journal, venue, waited, at)
        ]
        orders_save(marked, at=at)
        journal.write()
    return [order.facts.id for order in marked]


def _mark(order: WorkingOrder, journal: Journal, venue: str, waited: int, at: datetime) -> bool:
    if order.state.is_unknown:
        return False
    try:
        order.apply(_TIMED_OUT, at=at)
    except InvalidTransition:
        # Answered between our look and the lock: nothing is owed any more.
        return False
    journal.note(order, OrderUnknown, by=Actor.system("venue"), venue=venue, waited_seconds=waited)
    return True


def sends_retry(
    *, venue: str, order_ids: Collection[UUID], kinds: Collection[IntentKind], fence: int | None, at: datetime
) -> int:
    """Make sent messages due again, and return how many: only for what the venue itself says it never got.

    The submit of an order that is flagged unknown is left alone: it ends by a report, or by `status_unknown_order`
    (row 45). A request may go again all the same: nothing but its answer clears an order that the venue still works.
    """
    with transaction.atomic():
        lease_require(venue=venue, fence=fence)
        values = {"at": at, "venue": venue, "orders": uuids_of(order_ids), "kinds": texts_of(kinds)}
        return execute(_RETRY, values)
