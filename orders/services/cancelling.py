"""Cancel orders: at once what was never sent, else by asking the venue. Cancels pass whatever risk says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import Error, transaction

from accounts.services import accounts_lock_later
from audit.domain.types import Actor
from audit.sql import pipelined
from orders.domain.events import OrderCanceled, OrderCancelRequested
from orders.domain.facts import CancelOutcome
from orders.domain.order import EventKind, OrderEvent
from orders.domain.states import InvalidTransition, status_of
from orders.domain.types import IntentKind, PendingOperation
from orders.selectors.orders import orders_open_ids
from orders.selectors.versions import orders_named
from orders.services.groups import groups_follow
from orders.services.intents import intents_drop, intents_insert
from orders.services.waking import venues_wake_on_commit
from orders.services.working import Journal, WorkingOrder, orders_locked_later, orders_save
from positions.services import reservations_release
from risk.selectors import kill_switch_by_id
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.ids import uuid7

CHUNK = 500
_CANCEL = OrderEvent(EventKind.CANCEL_REQUESTED)

log = structlog.get_logger(__name__)


def order_cancel(
    *, order_id: UUID, account_id: UUID | None, by: Actor, correlation_id: UUID, at: datetime
) -> CancelOutcome:
    """Cancel one order; see `orders_cancel`."""
    return orders_cancel(order_ids=[order_id], account_id=account_id, by=by, correlation_id=correlation_id, at=at)[0]


def orders_cancel(
    *, order_ids: Sequence[UUID], account_id: UUID | None, by: Actor, correlation_id: UUID, at: datetime
) -> list[CancelOutcome]:
    """Cancel orders in one transaction, and return one answer for each id.

    What was never sent is cancelled at once (row 5); for the rest the venue is asked (rows 19 and 47). Any id that an
    order has or had names it. An order that is not in `account_id` is not found; None means that the caller may
    cancel anywhere.
    """
    with transaction.atomic(), pipelined():
        named = {key: own for key, own in orders_named(order_ids).items() if account_id in (None, own[1])}
        if not named:
            return [CancelOutcome(order_id, "not_found") for order_id in order_ids]
        held = accounts_lock_later({owner for _, owner in named.values()})
        working = orders_locked_later({key for key, _ in named.values()})
        locked, orders = held(), working()
        journal = Journal(locked, at=at)
        answers: dict[UUID, CancelOutcome] = {}
        for order_id, order in orders.items():
            answers[order_id] = _cancel(order, journal, by, correlation_id, at)
        followed = groups_follow(orders.values(), locked, journal, at=at)
        _store(orders, answers, at)
        followed.write(at=at)
        journal.write()
    return [
        answers[named[order_id][0]] if order_id in named else CancelOutcome(order_id, "not_found")
        for order_id in order_ids
    ]


def _cancel(order: WorkingOrder, journal: Journal, by: Actor, correlation_id: UUID, at: datetime) -> CancelOutcome:
    try:
        order.apply(_CANCEL, at=at)
    except InvalidTransition:
        return CancelOutcome(order.facts.id, "refused", order.facts, _refusal(order))
    if order.state.pending is PendingOperation.CANCEL:
        journal.note(order, OrderCancelRequested, by=by, correlation_id=correlation_id)
        return CancelOutcome(order.facts.id, "requested", order.current(at=at))
    never_sent: dict[str, Any] = {
        "venue": order.facts.venue,
        "venue_order_id": None,
        "exec_id": None,
        "text": "never sent",
    }
    journal.note(order, OrderCanceled, by=by, correlation_id=correlation_id, **never_sent)
    return CancelOutcome(order.facts.id, "canceled", order.current(at=at))


def _refusal(order: WorkingOrder) -> Reason:
    if order.state.pending is not PendingOperation.NONE:
        return reason("CANCEL_ALREADY_PENDING", pending=order.state.pending.value)
    return reason("ORDER_NOT_CANCELABLE", status=status_of(order.state.base, order.state.pending, is_unknown=False))


def _store(orders: Mapping[UUID, WorkingOrder], answers: Mapping[UUID, CancelOutcome], at: datetime) -> None:
    """Write the orders that moved, drop or store their messages, let go what they held, and wake their venues."""
    gone = [order_id for order_id, answer in answers.items() if answer.status == "canceled"]
    asked = [orders[order_id] for order_id, answer in answers.items() if answer.status == "requested"]
    intents_drop(gone, at=at)
    intents_insert([(order.facts.id, order.facts.venue, IntentKind.CANCEL, at) for order in asked])
    reservations_release(order_ids=gone)
    orders_save([*(orders[order_id] for order_id in gone), *asked], at=at)
    venues_wake_on_commit(order.facts.venue for order in asked)


def orders_cancel_all(*, account_id: UUID, by: Actor, correlation_id: UUID, at: datetime) -> list[CancelOutcome]:
    """Cancel every order of an account that can be, in one transaction; one that waits for a replace is refused."""
    found = [order_id for _, order_id in orders_open_ids(account_id=account_id, with_changing=True)]
    if not found:
        return []
    return orders_cancel(order_ids=found, account_id=account_id, by=by, correlation_id=correlation_id, at=at)


def orders_cancel_killed(*, kill_switch_id: UUID, at: datetime) -> int:
    """Cancel every open order in a latched switch's scope, and return how many were; running it again is harmless.

    A chunk that fails does not keep the others: the switch stays latched, and the sweep comes again.
    """
    scope = kill_switch_by_id(kill_switch_id)
    if scope is None or not scope.is_latched:
        return 0
    found = orders_open_ids(account_id=scope.account_id, instrument_id=scope.instrument_id, venue=scope.venue)
    by, count = Actor.system("kill_switch"), 0
    for start in range(0, len(found), CHUNK):
        chunk = [order_id for _, order_id in found[start : start + CHUNK]]
        try:
            done = orders_cancel(order_ids=chunk, account_id=None, by=by, correlation_id=uuid7(), at=at)
        except Error:
            log.exception("orders.cancel_killed_failed", kill_switch_id=str(kill_switch_id), orders=len(chunk))
            continue
        count += sum(outcome.status in ("canceled", "requested") for outcome in done)
    return count
