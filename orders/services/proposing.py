"""Look at what replaces ask for, before risk does: was it asked before, is the order in a state for it, does it fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec.structs import replace

from accounts.domain.types import LockedAccounts
from audit.sql import fetch
from marketdata.domain.types import InstrumentFacts, Session
from marketdata.selectors import session_at
from orders.domain.amending import change_faults, fields_amended, is_changed, is_decreasing, terms_asked
from orders.domain.commands import OrderFields, ReplaceOrder
from orders.domain.facts import OrderTerms, ReplaceOutcome
from orders.domain.grid import order_reasons
from orders.domain.order import EventKind, OrderEvent
from orders.domain.states import InvalidTransition, apply, status_of
from orders.domain.types import OrderClass, PendingOperation, TimeInForce
from orders.selectors.versions import orders_seen
from orders.services.intending import hours_of, intent_of
from orders.services.working import WorkingOrder
from positions.domain.types import WorkingOrders
from risk.domain.types import OrderIntent
from risk.selectors import decisions_of
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import ZERO, multiply

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
    fields: OrderFields
    instrument: InstrumentFacts
    session: Session


class Taken(msgspec.Struct):
    """The ids that are taken already, and the venues that do not answer."""

    names: dict[tuple[UUID, str], tuple[UUID, bytes] | None] = msgspec.field(default_factory=dict)
    down: set[str] = msgspec.field(default_factory=set)


def taken_names(turn: Sequence[Asked]) -> Taken:
    """Return what of the commands' ids is taken; the caller holds their accounts' locks."""
    taken = Taken()
    parameters = {"accounts": [each.account_id for each in turn], "ids": [each.client_order_id for each in turn]}
    for kind, account_id, name, version_id, hash_, venue in fetch(_LOOK, parameters):
        if kind == "down":
            taken.down.add(venue)
        else:
            taken.names[account_id, name] = None if version_id is None else (version_id, bytes(hash_))
    return taken


def repeats_answer(
    turn: Sequence[Asked], taken: Taken, orders: Mapping[UUID, WorkingOrder]
) -> dict[int, ReplaceOutcome]:
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


def proposed(
    asked: Asked, order: WorkingOrder, instrument: InstrumentFacts, number: int, at: datetime
) -> Proposal | ReplaceOutcome:
    """Return the terms a command would give its order, or why it cannot have them."""
    facts, given = order.facts, asked.command.fields
    terms = terms_asked(facts, given, version_id=uuid7(), number=number, client_order_id=asked.client_order_id)
    fields = fields_amended(facts, terms, given)
    session = session_at(instrument, at, hours_of(fields))
    if terms.time_in_force is not facts.time_in_force and terms.time_in_force is TimeInForce.DAY:
        terms = replace(terms, expires_at=session.closes_at)
    try:
        apply(order.state, OrderEvent(EventKind.REPLACE_REQUESTED, quantity=terms.quantity))
    except InvalidTransition:
        return ReplaceOutcome(asked.command.order_id, "not_now", facts, refusal=(_not_now(order),))
    faults = change_faults(facts, given)
    if not faults:
        faults = order_reasons(fields, instrument, at=at)
    if not faults and not is_changed(facts, terms):
        faults = [reason("REPLACE_CHANGES_NOTHING")]
    if faults:
        return ReplaceOutcome(asked.command.order_id, "invalid", facts, refusal=tuple(faults))
    return Proposal(asked, order, terms, fields, instrument, session)


def _not_now(order: WorkingOrder) -> Reason:
    if order.state.pending is not PendingOperation.NONE:
        return reason("REPLACE_ALREADY_PENDING", pending=order.state.pending.value)
    return reason("ORDER_NOT_REPLACEABLE", status=status_of(order.state.base, order.state.pending, is_unknown=False))


def replace_intent(each: Proposal, down: Collection[str], locked: LockedAccounts) -> OrderIntent:
    """Return what risk is to judge: what may still trade, instead of what the order holds now."""
    facts, terms, held = each.order.facts, each.terms, each.order.held
    intent = intent_of(
        each.fields,
        order_id=terms.version_id,
        account=locked[facts.account_id],
        instrument=each.instrument,
        session=each.session,
        venue=facts.venue,
        placed_at=each.asked.command.requested_at,
        is_venue_available=facts.venue not in down,
    )
    holds = WorkingOrders(
        instrument_id=facts.instrument_id,
        side=facts.side,
        currency=each.instrument.currency,
        orders=1 if held.quantity else 0,
        quantity_left=held.quantity,
        value=multiply(held.quantity, held.price or ZERO),
        keenest_id=facts.id,
        limit_price=held.limit_price,
        is_dormant=intent.is_dormant,
    )
    return replace(
        intent,
        quantity=terms.quantity - facts.filled_quantity,
        filled=facts.filled_quantity,
        instead_of=holds,
        is_decreasing=is_decreasing(facts, terms),
        is_plain=facts.order_class is OrderClass.SIMPLE and facts.schedule is None,
    )
