"""Write the replaces of orders: asked for, taken by the venue, or not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from audit.domain.types import Actor
from audit.sql import as_json, execute
from orders.domain.amending import amended, terms_asked, terms_taken, terms_text
from orders.domain.commands import ReplaceFields, replace_hash
from orders.domain.events import OrderReplaceRequested
from orders.domain.facts import OrderFacts, OrderTerms
from orders.domain.order import EventKind, OrderEvent, OrderState
from orders.domain.reports import VenueReport
from orders.domain.states import status_of
from orders.domain.types import PendingOperation
from orders.services.working import Journal, WorkingOrder, reasons_stored
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import plain

_COLUMNS = """
    id uuid, order_id uuid, account_id uuid, number integer, client_order_id text, command_hash text, replaces uuid,
    quantity numeric, limit_price numeric, stop_price numeric, trail_price numeric, trail_percent numeric,
    time_in_force text, expires_at timestamptz, worst_price numeric, was jsonb, reasons jsonb, state text
"""
_INSERT = f"""
INSERT INTO orders_orderversion (id, order_id, account_id, number, client_order_id, command_hash, replaces, quantity,
    limit_price, stop_price, trail_price, trail_percent, time_in_force, expires_at, worst_price, was, reasons, state,
    requested_at, rejected_at)
SELECT id, order_id, account_id, number, client_order_id, decode(command_hash, 'base64'), replaces, quantity,
    limit_price, stop_price, trail_price, trail_percent, time_in_force, expires_at, worst_price, was, reasons, state,
    %(at)s, CASE WHEN state = 'rejected' THEN %(at)s END
FROM json_to_recordset(%(rows)s::json) AS new({_COLUMNS})
"""
_SETTLE = f"""
UPDATE orders_orderversion AS version SET
    quantity = new.quantity, limit_price = new.limit_price, stop_price = new.stop_price, worst_price = new.worst_price,
    was = new.was, reasons = new.reasons, state = new.state,
    accepted_at = CASE WHEN new.state = 'accepted' THEN %(at)s END,
    rejected_at = CASE WHEN new.state = 'rejected' THEN %(at)s END
FROM json_to_recordset(%(rows)s::json) AS new({_COLUMNS}) WHERE version.id = new.id
"""
_REPLACED = "UPDATE orders_orderversion SET replaced_at = %s WHERE id = ANY(%s)"
_AMEND = f"""
UPDATE orders_order AS o SET
    limit_price = new.limit_price, stop_price = new.stop_price, trail_price = new.trail_price,
    trail_percent = new.trail_percent, time_in_force = new.time_in_force, expires_at = new.expires_at,
    worst_price = new.worst_price, version_number = new.number, version_id = new.id
FROM json_to_recordset(%s::json) AS new({_COLUMNS}) WHERE o.id = new.order_id
"""


class Settled(msgspec.Struct, frozen=True):
    """A replace that is over: `terms` are what the order has now, or what it was asked to have; `was` it before."""

    order: WorkingOrder
    terms: OrderTerms
    was: OrderFacts
    before: OrderState
    refusal: tuple[Reason, ...] = ()

    @property
    def is_accepted(self) -> bool:
        """Tell whether the venue took it."""
        return not self.refusal


class NewVersion(msgspec.Struct, frozen=True):
    """A replace to be stored; with reasons it is one that risk refused."""

    order: OrderFacts
    terms: OrderTerms
    command_hash: bytes
    refusal: tuple[Reason, ...] = ()


def version_settle(
    order: WorkingOrder, before: OrderState, kind: EventKind, report: VenueReport | None, stopped: Reason | None = None
) -> Settled | None:
    """Give an order the terms that a move brought it, or let go of those it did not; None when no replace ended.

    `stopped` says why it was not sent at all.
    """
    asked, was = order.asked, order.facts
    if asked is None or order.state.pending is PendingOperation.REPLACE:
        return None
    order.asked = None
    if kind is EventKind.REPLACED and report is not None:
        terms = terms_taken(was, asked, price=report.price, stop=report.stop_price)
        terms = msgspec.structs.replace(terms, quantity=order.state.quantity)
        order.facts = amended(was, terms)
        return Settled(order, terms, was, before)
    if kind is EventKind.REPLACE_REJECTED:
        why = stopped or reason("REPLACE_REJECTED", text=(report and report.reason) or "no reason given")
    else:
        why = reason("REPLACE_OVERTAKEN", status=status_of(order.state.base, order.state.pending, is_unknown=False))
    return Settled(order, asked, was, before, (why,))


def replace_for_less(
    order: WorkingOrder, quantity: Decimal, *, number: int, journal: Journal, by: Actor, at: datetime
) -> NewVersion:
    """Ask for an order as it is, for less of it, and return the replace to be stored: it puts no more at stake."""
    facts, held = order.facts, order.held
    if facts.worst_price is None:
        raise LookupError(f"order {facts.id} was approved without a worst price")
    terms = terms_asked(
        facts,
        ReplaceFields(quantity=quantity),
        version_id=uuid7(),
        number=number,
        client_order_id=str(uuid7()),
    )
    terms = msgspec.structs.replace(terms, worst_price=facts.worst_price)
    order.apply(OrderEvent(EventKind.REPLACE_REQUESTED, quantity=quantity), at=at)
    order.asked = terms
    journal.note(
        order,
        OrderReplaceRequested,
        by=by,
        worst_price=plain(facts.worst_price),
        reserved_quantity=plain(held.quantity),
        reserved_price=plain(facts.worst_price),
        **request_facts(facts, terms),
    )
    return NewVersion(facts, terms, replace_hash(facts.id, ReplaceFields(quantity=quantity)))


def versions_insert(versions: Sequence[NewVersion], *, at: datetime) -> None:
    """Store replaces that were asked for, in one statement; those that risk refused are over already."""
    if versions:
        execute(_INSERT, {"at": at, "rows": as_json([_new_row(each) for each in versions])})


def versions_settle(settled: Collection[Settled], *, at: datetime) -> None:
    """Store what became of replaces, and the terms of the orders whose venue took them."""
    if not settled:
        return
    execute(_SETTLE, {"at": at, "rows": as_json([_settled_row(each) for each in settled])})
    # One order may have taken several in a batch: the last of them is what it is now.
    taken = {each.order.facts.id: each for each in settled if each.is_accepted}
    if taken:
        execute(_AMEND, [as_json([_settled_row(each) for each in taken.values()])])
        execute(_REPLACED, [at, [each.terms.replaces for each in settled if each.is_accepted]])


def _new_row(each: NewVersion) -> dict[str, Any]:
    state = "rejected" if each.refusal else "pending"
    return _row(each.order, each.terms, each.refusal) | {"command_hash": each.command_hash, "state": state}


def _settled_row(each: Settled) -> dict[str, Any]:
    state = "accepted" if each.is_accepted else "rejected"
    was = _was(each.was, each.before) if each.is_accepted else None
    return _row(each.was, each.terms, each.refusal) | {"was": was, "state": state}


def _row(order: OrderFacts, terms: OrderTerms, refusal: Sequence[Reason]) -> dict[str, Any]:
    return msgspec.structs.asdict(terms) | {
        "id": terms.version_id,
        "order_id": order.id,
        "account_id": order.account_id,
        "reasons": reasons_stored(refusal),
    }


def _was(order: OrderFacts, before: OrderState) -> Mapping[str, str]:
    """Return what a replaced version of an order is remembered by."""
    average = {} if before.average_price is None else {"average_price": plain(before.average_price)}
    return (
        terms_text(order, quantity=before.quantity)
        | average
        | {
            "client_order_id": order.client_order_id,
            "filled_quantity": plain(before.filled_quantity),
            "filled_value": plain(before.filled_value),
        }
    )


def terms_facts(settled: Settled) -> dict[str, Any]:
    """Return what the events of a replace that is over say of it."""
    return {
        "request_id": str(settled.terms.version_id),
        "client_order_id": settled.terms.client_order_id,
        "was": terms_text(settled.was, quantity=settled.before.quantity),
        "becomes": terms_text(settled.terms),
    }


def request_facts(order: OrderFacts, terms: OrderTerms) -> dict[str, Any]:
    """Return what the events of a replace that was asked for say of it."""
    return {
        "request_id": str(terms.version_id),
        "client_order_id": terms.client_order_id,
        "replaces": str(terms.replaces),
        "was": terms_text(order),
        "becomes": terms_text(terms),
    }
