"""Replace orders: ask venues for other terms, the larger of before and after reserved until they answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from django.db import transaction
from msgspec.structs import replace

from accounts.domain.types import LockedAccounts
from accounts.services import accounts_lock
from marketdata.domain.types import InstrumentFacts
from marketdata.selectors import instruments_by_id, session_at
from orders.brokers.registry import venue_fees
from orders.domain.amending import (
    as_asked,
    change_faults,
    fields_amended,
    is_changed,
    is_decreasing,
    terms_asked,
)
from orders.domain.commands import ReplaceOrder, replace_hash
from orders.domain.events import OrderReplaceRefused, OrderReplaceRequested
from orders.domain.facts import OrderTerms, ReplaceOutcome
from orders.domain.grid import instrument_reasons
from orders.domain.order import EventKind, OrderEvent
from orders.domain.parsing import timing_reasons
from orders.domain.states import InvalidTransition, apply, status_of
from orders.domain.types import OrderClass, PendingOperation
from orders.selectors.sql import fetch
from orders.selectors.versions import orders_named, orders_seen, versions_last
from orders.services.groups import groups_follow
from orders.services.intents import replaces_insert
from orders.services.reserving import reservations_follow
from orders.services.versions import NewVersion, request_facts, versions_insert
from orders.services.waking import venues_wake_on_commit
from orders.services.working import Journal, WorkingOrder, orders_locked, orders_save, reasons_stored
from positions.domain.types import WorkingOrders
from risk.domain.types import Decision, OrderIntent
from risk.selectors import decisions_of
from risk.services import decisions_record, orders_check
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.failpoints import failpoint
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import ZERO, multiply, plain

# A client_order_id names one order or one replace of an account; a venue that does not answer is asked for nothing.
_LOOK = """
SELECT 'order', o.account_id, o.client_order_id, NULL::uuid, NULL::bytea, NULL
FROM orders_order o JOIN unnest(%(accounts)s::uuid[], %(ids)s::text[]) AS wanted(account_id, client_order_id)
     ON o.account_id = wanted.account_id AND o.client_order_id = wanted.client_order_id
UNION ALL
SELECT 'version', v.account_id, v.client_order_id, v.id, v.command_hash, NULL
FROM orders_orderversion v JOIN unnest(%(accounts)s::uuid[], %(ids)s::text[]) AS wanted(account_id, client_order_id)
     ON v.account_id = wanted.account_id AND v.client_order_id = wanted.client_order_id
UNION ALL
SELECT 'down', NULL, NULL, NULL, NULL, venue FROM orders_breaker WHERE state = 'open'
"""


class Asked(msgspec.Struct, frozen=True):
    """One command, the order it names, and the id it goes by."""

    index: int
    command: ReplaceOrder
    order_id: UUID
    account_id: UUID
    client_order_id: str
    hash: bytes


class Proposal(msgspec.Struct, frozen=True):
    """A replace that the order's state allows: the terms it would have, for risk to judge."""

    asked: Asked
    order: WorkingOrder
    terms: OrderTerms
    instrument: InstrumentFacts


class _Taken(msgspec.Struct):
    """The ids that are taken already, and the venues that do not answer."""

    names: dict[tuple[UUID, str], tuple[UUID, bytes] | None] = msgspec.field(default_factory=dict)
    down: set[str] = msgspec.field(default_factory=set)


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
    taken = _look(turn)
    answers = _repeats(turn, taken, orders)
    fresh = [each for each in turn if each.index not in answers]
    if not fresh:
        return answers
    numbers = versions_last({each.order_id for each in fresh})
    instruments = instruments_by_id({orders[each.order_id].facts.instrument_id for each in fresh})
    proposals = []
    for each in fresh:
        order = orders[each.order_id]
        instrument = instruments[order.facts.instrument_id]
        found = _proposed(each, order, instrument, numbers.get(each.order_id, 1) + 1, at)
        if isinstance(found, Proposal):
            proposals.append(found)
        else:
            answers[each.index] = found
    return answers | _judge(proposals, taken.down, locked, at) if proposals else answers


def _look(turn: Sequence[Asked]) -> _Taken:
    taken = _Taken()
    parameters = {"accounts": [each.account_id for each in turn], "ids": [each.client_order_id for each in turn]}
    for kind, account_id, name, version_id, hash_, venue in fetch(_LOOK, parameters):
        if kind == "down":
            taken.down.add(venue)
        else:
            taken.names[account_id, name] = None if version_id is None else (version_id, bytes(hash_))
    return taken


def _repeats(turn: Sequence[Asked], taken: _Taken, orders: Mapping[UUID, WorkingOrder]) -> dict[int, ReplaceOutcome]:
    """Answer commands whose id is taken: the same command gets its answer again, another one is a conflict."""
    answers: dict[int, ReplaceOutcome] = {}
    again: dict[UUID, Asked] = {}
    for each in turn:
        key = (each.account_id, each.client_order_id)
        if key not in taken.names:
            continue
        version = taken.names[key]
        if version is not None and version[1] == each.hash:
            again[version[0]] = each
        else:
            why = reason("CLIENT_ORDER_ID_TAKEN", client_order_id=each.client_order_id)
            answers[each.index] = ReplaceOutcome(each.command.order_id, "conflict", refusal=(why,))
    if again:
        seen = orders_seen({key: orders[each.order_id].facts for key, each in again.items()})
        decisions = decisions_of(again)
        for version_id, each in again.items():
            decision, order = decisions.get(version_id), orders[each.order_id].facts
            refusal = tuple(Reason(why["code"], why["facts"]) for why in decision.reasons) if decision else ()
            named = each.command.order_id
            answers[each.index] = (
                ReplaceOutcome(named, "refused", order, refusal=refusal, is_replay=True)
                if decision is not None and not decision.is_approved
                else ReplaceOutcome(named, "requested", order, seen[version_id], is_replay=True)
            )
    return answers


def _proposed(
    asked: Asked, order: WorkingOrder, instrument: InstrumentFacts, number: int, at: datetime
) -> Proposal | ReplaceOutcome:
    """Return the terms a command would give its order, or why it cannot have them."""
    facts, given = order.facts, asked.command.fields
    terms = terms_asked(
        facts,
        given,
        version_id=uuid7(),
        number=number,
        client_order_id=asked.client_order_id,
        closes_at=session_at(instrument, at).closes_at,
    )
    try:
        apply(order.state, OrderEvent(EventKind.REPLACE_REQUESTED, quantity=terms.quantity))
    except InvalidTransition:
        return ReplaceOutcome(asked.command.order_id, "not_now", facts, refusal=(_not_now(order),))
    faults = change_faults(facts, given)
    if not faults:
        fields = fields_amended(facts, terms, given)
        faults = instrument_reasons(fields, instrument) + timing_reasons(fields, at=at)
    if not faults and not is_changed(facts, terms):
        faults = [reason("REPLACE_CHANGES_NOTHING")]
    if faults:
        return ReplaceOutcome(asked.command.order_id, "invalid", facts, refusal=tuple(faults))
    return Proposal(asked, order, terms, instrument)


def _not_now(order: WorkingOrder) -> Reason:
    if order.state.pending is not PendingOperation.NONE:
        return reason("REPLACE_ALREADY_PENDING", pending=order.state.pending.value)
    return reason("ORDER_NOT_REPLACEABLE", status=status_of(order.state.base, order.state.pending, is_unknown=False))


def _judge(
    proposals: Sequence[Proposal], down: set[str], locked: LockedAccounts, at: datetime
) -> dict[int, ReplaceOutcome]:
    """Ask risk, store what it decided, and have the venues asked."""
    decisions = orders_check(intents=[_intent(each, down, locked) for each in proposals], locked=locked, at=at)
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


def _intent(each: Proposal, down: Iterable[str], locked: LockedAccounts) -> OrderIntent:
    facts, terms, account = each.order.facts, each.terms, locked[each.order.facts.account_id]
    held, (fee_rate, fee_per_unit) = each.order.held, venue_fees(facts.venue)
    return OrderIntent(
        order_id=terms.version_id,
        account_id=account.id,
        owner_id=account.owner_id,
        instrument=each.instrument,
        side=facts.side.value,
        order_type=facts.order_type.value,
        time_in_force=terms.time_in_force.value,
        quantity=terms.quantity - facts.filled_quantity,
        limit_price=terms.limit_price,
        stop_price=terms.stop_price,
        placed_at=each.asked.command.requested_at,
        base_currency=account.base_currency,
        venue=facts.venue,
        is_venue_available=facts.venue not in down,
        filled=facts.filled_quantity,
        instead_of=WorkingOrders(
            instrument_id=facts.instrument_id,
            side=facts.side,
            currency=each.instrument.currency,
            orders=1 if held.quantity else 0,
            quantity_left=held.quantity,
            value=multiply(held.quantity, held.price or ZERO),
            keenest_id=facts.id,
            limit_price=held.limit_price,
        ),
        is_decreasing=is_decreasing(facts, terms),
        trail_price=terms.trail_price,
        trail_percent=terms.trail_percent,
        extended_hours=facts.extended_hours,
        is_plain=facts.order_class is OrderClass.SIMPLE and facts.schedule is None,
        fee_rate=fee_rate,
        fee_per_unit=fee_per_unit,
    )


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
    command = each.asked.command
    journal.note(
        each.order,
        OrderReplaceRefused,
        by=command.by,
        valid_at=command.requested_at,
        correlation_id=command.correlation_id,
        reasons=tuple(reasons_stored(decision.reasons)),
        **request_facts(each.order.facts, each.terms),
    )


def _answered(each: Proposal, terms: OrderTerms, decision: Decision, at: datetime) -> ReplaceOutcome:
    now, named = each.order.current(at=at), each.asked.command.order_id
    if not decision.approved:
        return ReplaceOutcome(named, "refused", now, refusal=decision.reasons)
    return ReplaceOutcome(named, "requested", now, as_asked(now, terms, reasons=[], rejected_at=None))
