"""Replace orders: ask venues for other terms, the larger of before and after reserved until they answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from msgspec.structs import replace

from accounts.domain.types import LockedAccounts
from accounts.services import accounts_lock
from marketdata.selectors import instruments_by_id
from orders.domain.amending import (
    as_asked,
)
from orders.domain.commands import ReplaceOrder, replace_hash
from orders.domain.events import OrderReplaceRefused, OrderReplaceRequested
from orders.domain.facts import OrderTerms, ReplaceOutcome
from orders.domain.order import EventKind, OrderEvent
from orders.selectors.versions import orders_named, versions_last
from orders.services.groups import groups_follow
from orders.services.intents import replaces_insert
from orders.services.proposing import Asked, Proposal, proposed, repeats_answer, replace_intent, taken_names
from orders.services.reserving import reservations_follow
from orders.services.versions import NewVersion, request_facts, versions_insert
from orders.services.waking import venues_wake_on_commit
from orders.services.working import Journal, WorkingOrder, orders_locked, orders_save, reasons_stored
from risk.domain.types import Decision
from risk.services import decisions_record, orders_check
from trading_portal.kernel.failpoints import failpoint
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import ZERO, plain


def order_replace(*, command: ReplaceOrder, at: datetime) -> ReplaceOutcome:
    """Replace one order; see `orders_replace`."""
    return orders_replace(commands=[command], at=at)[0]


def orders_replace(*, commands: Sequence[ReplaceOrder], at: datetime) -> list[ReplaceOutcome]:
    """Judge and store replaces in one transaction, and return one answer for each; the venues are asked after it.

    The batch is judged as if its commands had come one by one. A refused one leaves its order as it was. Raise
    Unavailable when nobody can judge now; then nothing of the batch is stored.
    """
    with transaction.atomic():
        answers = _replace_all(commands, at)
        failpoint("replace.before_commit")
    failpoint("replace.after_commit")
    return answers


def _replace_all(commands: Sequence[ReplaceOrder], at: datetime) -> list[ReplaceOutcome]:
    named = orders_named({command.order_id for command in commands})
    waiting = [
        Asked(index, command, *found, command.fields.client_order_id or str(uuid7()), _hash(command, found[0]))
        for index, command in enumerate(commands)
        if (found := named.get(command.order_id)) and command.account_id in (None, found[1])
    ]
    answers: dict[int, ReplaceOutcome] = {}
    if waiting:
        locked = accounts_lock({each.account_id for each in waiting})
        while waiting:
            turn, waiting = _turn(waiting)
            answers |= _answer(turn, locked, at)
    return [answers.get(index, ReplaceOutcome(command.order_id, "not_found")) for index, command in enumerate(commands)]


def _hash(command: ReplaceOrder, order_id: UUID) -> bytes:
    return replace_hash(order_id, command.fields)


def _turn(waiting: Sequence[Asked]) -> tuple[list[Asked], list[Asked]]:
    """Return what can be judged together, and what comes after it: an order or a name again waits its turn."""
    turn: list[Asked] = []
    later: list[Asked] = []
    seen: set[object] = set()
    for each in waiting:
        marks = {each.order_id, (each.account_id, each.client_order_id)}
        (later if seen & marks else turn).append(each)
        seen |= marks
    return turn, later


def _answer(turn: Sequence[Asked], locked: LockedAccounts, at: datetime) -> dict[int, ReplaceOutcome]:
    orders = orders_locked({each.order_id for each in turn})
    taken = taken_names(turn)
    answers = repeats_answer(turn, taken, orders)
    fresh = [each for each in turn if each.index not in answers]
    if not fresh:
        return answers
    numbers = versions_last({each.order_id for each in fresh})
    instruments = instruments_by_id({orders[each.order_id].facts.instrument_id for each in fresh})
    proposals = []
    for each in fresh:
        order = orders[each.order_id]
        instrument = instruments[order.facts.instrument_id]
        found = proposed(each, order, instrument, numbers.get(each.order_id, 1) + 1, at)
        if isinstance(found, Proposal):
            proposals.append(found)
        else:
            answers[each.index] = found
    return answers | _judge(proposals, taken.down, locked, at) if proposals else answers


def _judge(
    proposals: Sequence[Proposal], down: set[str], locked: LockedAccounts, at: datetime
) -> dict[int, ReplaceOutcome]:
    """Ask risk, store what it decided, and have the venues asked."""
    decisions = orders_check(intents=[replace_intent(each, down, locked) for each in proposals], locked=locked, at=at)
    journal = Journal(locked, at=at)
    versions: list[NewVersion] = []
    answers: dict[int, ReplaceOutcome] = {}
    moved: list[WorkingOrder] = []
    for each, decision in zip(proposals, decisions, strict=True):
        terms = replace(each.terms, worst_price=decision.worst_price)
        versions.append(NewVersion(each.order.facts, terms, each.asked.hash, decision.reasons))
        if decision.approved:
            _request(each, terms, journal, at)
            moved.append(each.order)
        else:
            _refuse(each, decision, journal)
        answers[each.asked.index] = _answered(each, terms, decision, at)
    versions_insert(versions, at=at)
    followed = groups_follow(moved, locked, journal, at=at)
    instruments = {each.instrument.id: each.instrument for each in proposals}
    reservations_follow(moved, locked=locked, instruments=instruments, at=at)
    replaces_insert([(o.facts.id, o.facts.venue, o.asked.version_id) for o in moved if o.asked], at=at)
    orders_save([each.order for each in proposals], at=at)
    followed.write(at=at)
    decisions_record(decisions=decisions, at=at)
    journal.write()
    venues_wake_on_commit(order.facts.venue for order in moved)
    return answers


def _request(each: Proposal, terms: OrderTerms, journal: Journal, at: datetime) -> None:
    order, command = each.order, each.asked.command
    if terms.worst_price is None:
        raise LookupError(f"risk approved a replace of order {order.facts.id} without a worst price")
    asked = request_facts(order.facts, terms)
    order.apply(OrderEvent(EventKind.REPLACE_REQUESTED, quantity=terms.quantity), at=at)
    order.asked = terms
    held = order.held
    journal.note(
        order,
        OrderReplaceRequested,
        by=command.by,
        valid_at=command.requested_at,
        correlation_id=command.correlation_id,
        worst_price=plain(terms.worst_price),
        reserved_quantity=plain(held.quantity),
        reserved_price=plain(held.price or ZERO),
        **asked,
    )


def _refuse(each: Proposal, decision: Decision, journal: Journal) -> None:
    command, worst_price = each.asked.command, decision.worst_price
    journal.note(
        each.order,
        OrderReplaceRefused,
        by=command.by,
        valid_at=command.requested_at,
        correlation_id=command.correlation_id,
        reasons=tuple(reasons_stored(decision.reasons)),
        worst_price=None if worst_price is None else plain(worst_price),
        **request_facts(each.order.facts, each.terms),
    )


def _answered(each: Proposal, terms: OrderTerms, decision: Decision, at: datetime) -> ReplaceOutcome:
    now, named = each.order.current(at=at), each.asked.command.order_id
    if not decision.approved:
        return ReplaceOutcome(named, "refused", now, refusal=decision.reasons)
    return ReplaceOutcome(named, "requested", now, as_asked(now, terms, reasons=[], rejected_at=None))
