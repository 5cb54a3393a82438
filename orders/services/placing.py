"""Place orders: one transaction for a whole batch, a single order being a batch of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.domain.types import LockedAccounts
from accounts.services import accounts_lock_later
from audit.sql import pipelined
from marketdata.domain.types import Hours, InstrumentFacts, Session
from marketdata.selectors import instruments_by_symbol_later, session_at
from orders.domain.commands import PlaceOrder, command_hash
from orders.domain.facts import OrderFacts, Placement
from orders.domain.types import Leg
from orders.selectors.orders import legs_by_root, orders_by_id
from orders.services.baskets import Basket, baskets_decided, baskets_sound
from orders.services.intending import hours_of, intent_of
from orders.services.legs import legs_made, oco_priced
from orders.services.routing import Surroundings, order_faults, surroundings_later
from orders.services.storing import DecidedOrder, NewOrder, decided, orders_store
from orders.services.waking import venues_wake_on_commit
from risk.domain.types import Decision
from risk.services import orders_check
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.failpoints import failpoint
from trading_portal.kernel.ids import uuid7


def orders_place(
    *, commands: Sequence[PlaceOrder], at: datetime, venue: str | None = None, baskets: Sequence[Basket] = ()
) -> list[Placement]:
    """Decide, reserve and store orders in one transaction, and return one answer for each command.

    The batch decides as if its commands had come one by one. An order that names no venue goes to `venue`, or where its
    account's routes lead. Raise NotFound for an unknown account and Unavailable
    when nobody can decide now; then nothing of the batch is stored. Each of `baskets` is taken whole or not at all.
    """
    if not commands:
        return []
    try:
        answers = _place(commands, at, venue, baskets)
    except IntegrityError:
        # Only a writer that takes no account lock can get between our look and our insert: now it is there to see.
        answers = _place(commands, at, venue, baskets)
    failpoint("place.after_commit")
    return answers


@transaction.atomic
def _place(
    commands: Sequence[PlaceOrder], at: datetime, venue: str | None, baskets: Sequence[Basket]
) -> list[Placement]:
    with pipelined():
        listed = instruments_by_symbol_later({command.symbol for command in commands})
        held = accounts_lock_later({command.account_id for command in commands})
        seen = surroundings_later(commands)
        instruments, locked, around = listed(), held(), seen()
        answers = _repeats_answer(commands, around)
        new, twins = _sort(commands, answers, instruments, around, at, venue)
        new = baskets_sound(new, baskets, commands, answers, twins)
        if new:
            answers |= _answered(_decide_and_store(new, around, baskets, twins, locked, at))
    for index, leader in twins.items():
        answers[index] = _twin_answer(commands[index], commands[leader], answers[leader])
    failpoint("place.before_commit")
    return [answers[index] for index in range(len(commands))]


def _repeats_answer(commands: Sequence[PlaceOrder], around: Surroundings) -> dict[int, Placement]:
    """Answer commands whose id is taken: the same command gets its order again, another one is a conflict."""
    if not around.taken:
        return {}
    orders = orders_by_id([taken.order_id for taken in around.taken.values()])
    legs = legs_by_root(orders.values())
    answers: dict[int, Placement] = {}
    for index, command in enumerate(commands):
        taken = around.taken.get((command.account_id, command.client_order_id))
        if taken is not None:
            is_same = taken.command_hash == command_hash(command)
            order = orders[taken.order_id]
            answers[index] = _repeated(order, taken.is_refused, legs) if is_same else _conflict(command)
    return answers


def _repeated(order: OrderFacts, is_refused: bool, legs: Mapping[UUID, Sequence[OrderFacts]]) -> Placement:
    if not is_refused:
        return Placement("accepted", order, is_replay=True, legs=tuple(legs.get(order.id, ())))
    return Placement("refused", order, tuple(Reason(why["code"], why["facts"]) for why in order.reasons), True)


def _conflict(command: PlaceOrder) -> Placement:
    return Placement("conflict", None, (reason("CLIENT_ORDER_ID_TAKEN", client_order_id=command.client_order_id),))


def _sort(
    commands: Sequence[PlaceOrder],
    answers: dict[int, Placement],
    instruments: Mapping[str, InstrumentFacts],
    around: Surroundings,
    at: datetime,
    given: str | None,
) -> tuple[list[NewOrder], dict[int, int]]:
    """Return the commands that make an order, and those that repeat the id of an earlier one; answer the invalid."""
    new: list[NewOrder] = []
    twins: dict[int, int] = {}
    leaders: dict[tuple[UUID, str], int] = {}
    sessions: dict[tuple[str, Hours], Session] = {}
    for index, command in enumerate(commands):
        if index in answers:
            continue
        leader = leaders.get((command.account_id, command.client_order_id))
        if leader is not None:
            twins[index] = leader
            continue
        faults = order_faults(command, command.account_id, instruments.get(command.symbol), around, at=at)
        if faults:
            answers[index] = Placement("invalid", None, tuple(faults))
            continue
        leaders[command.account_id, command.client_order_id] = index
        instrument, hours = instruments[command.symbol], hours_of(command)
        session = sessions.get((command.symbol, hours))
        if session is None:
            session = sessions[command.symbol, hours] = session_at(instrument, at, hours)
        venue = around.venue_of(command, command.account_id, instrument.asset_class, given)
        asked = oco_priced(command)
        new.append(NewOrder(index, asked, command_hash(command), uuid7(), instrument, session, venue))
    return new, twins


def _decide_and_store(
    new: Sequence[NewOrder],
    around: Surroundings,
    baskets: Sequence[Basket],
    twins: Mapping[int, int],
    locked: LockedAccounts,
    at: datetime,
) -> list[DecidedOrder]:
    """Ask risk, store what it decided, legs too, and wake the venues that something now waits for."""

    def check(orders: Sequence[NewOrder]) -> list[Decision]:
        intents = [
            intent_of(
                each.command,
                order_id=each.order_id,
                account=locked[each.command.account_id],
                instrument=each.instrument,
                session=each.session,
                venue=each.venue,
                placed_at=each.command.placed_at,
                is_venue_available=each.venue not in around.down,
            )
            for each in orders
        ]
        return orders_check(intents=intents, locked=locked, at=at)

    decisions = baskets_decided(new, baskets, twins, check)
    orders = legs_made([decided(*pair, at=at) for pair in zip(new, decisions, strict=True)], at=at)
    orders_store(orders, locked=locked, at=at)
    venues_wake_on_commit(each.new.venue for each in orders if each.decision.approved and each.new.due_at(at) <= at)
    return orders


def _answered(orders: Iterable[DecidedOrder]) -> dict[int, Placement]:
    """Return an answer for each order that was asked for, its legs beside it."""
    legs: dict[UUID | None, list[OrderFacts]] = {}
    roots: list[DecidedOrder] = []
    for each in orders:
        if each.new.leg is Leg.NONE:
            roots.append(each)
        else:
            legs.setdefault(each.new.parent_id, []).append(each.order.facts)
    return {
        each.new.index: Placement("accepted", each.order.facts, legs=tuple(legs.get(each.new.order_id, ())))
        if each.decision.approved
        else Placement("refused", each.order.facts, each.decision.reasons)
        for each in roots
    }


def _twin_answer(command: PlaceOrder, leader: PlaceOrder, told: Placement) -> Placement:
    """Answer a command whose id stands earlier in its own batch, as if it had come after it."""
    if command_hash(command) != command_hash(leader):
        return _conflict(command)
    return Placement(told.status, told.order, told.refusal, is_replay=True, legs=told.legs)
