"""Place orders: one transaction for a whole batch, a single order being a batch of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.domain.types import LockedAccounts
from accounts.services import accounts_lock
from marketdata.domain.types import InstrumentFacts
from marketdata.selectors import instruments_by_symbol, session_at
from orders.domain.commands import PlaceOrder, command_hash
from orders.domain.facts import PAPER_VENUE, OrderFacts, Placement
from orders.domain.parsing import grid_reasons
from orders.selectors.orders import orders_by_id
from orders.selectors.sql import fetch
from orders.services.storing import DecidedOrder, NewOrder, decided, orders_store
from orders.services.waking import venues_wake_on_commit
from risk.domain.types import OrderIntent
from risk.services import orders_check
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.failpoints import failpoint
from trading_portal.kernel.ids import uuid7

_EXISTING = """
SELECT o.account_id, o.client_order_id, o.id, o.command_hash, o.is_refused
FROM orders_order o JOIN unnest(%s::uuid[], %s::text[]) AS wanted(account_id, client_order_id)
     ON o.account_id = wanted.account_id AND o.client_order_id = wanted.client_order_id
"""


def orders_place(*, commands: Sequence[PlaceOrder], at: datetime, venue: str = PAPER_VENUE) -> list[Placement]:
    """Decide, reserve and store orders in one transaction, and return one answer for each command.

    The batch decides as if its commands had come one by one. Raise NotFound for an unknown account and Unavailable
    when nobody can decide now; then nothing of the batch is stored.
    """
    if not commands:
        return []
    try:
        answers = _place(commands, at, venue)
    except IntegrityError:
        # Only a writer that takes no account lock can get between our look and our insert: now it is there to see.
        answers = _place(commands, at, venue)
    failpoint("place.after_commit")
    return answers


@transaction.atomic
def _place(commands: Sequence[PlaceOrder], at: datetime, venue: str) -> list[Placement]:
    instruments = instruments_by_symbol({command.symbol for command in commands})
    locked = accounts_lock({command.account_id for command in commands})
    answers = _repeats_answer(commands)
    new, twins = _sort(commands, answers, instruments, at, venue)
    if new:
        for each in _decide_and_store(new, locked, at):
            answers[each.new.index] = _answered(each)
    for index, leader in twins.items():
        answers[index] = _twin_answer(commands[index], commands[leader], answers[leader])
    failpoint("place.before_commit")
    return [answers[index] for index in range(len(commands))]


def _repeats_answer(commands: Sequence[PlaceOrder]) -> dict[int, Placement]:
    """Answer commands whose id is taken: the same command gets its order again, another one is a conflict."""
    rows = fetch(
        _EXISTING,
        [[command.account_id for command in commands], [command.client_order_id for command in commands]],
    )
    if not rows:
        return {}
    taken = {(row[0], row[1]): row[2:] for row in rows}
    orders = orders_by_id([row[2] for row in rows])
    answers: dict[int, Placement] = {}
    for index, command in enumerate(commands):
        found = taken.get((command.account_id, command.client_order_id))
        if found is not None:
            order_id, known_hash, is_refused = found
            is_same = bytes(known_hash) == command_hash(command)
            answers[index] = _repeated(orders[order_id], is_refused) if is_same else _conflict(command)
    return answers


def _repeated(order: OrderFacts, is_refused: bool) -> Placement:
    if not is_refused:
        return Placement("accepted", order, is_replay=True)
    return Placement("refused", order, tuple(Reason(why["code"], why["facts"]) for why in order.reasons), True)


def _conflict(command: PlaceOrder) -> Placement:
    return Placement("conflict", None, (reason("CLIENT_ORDER_ID_TAKEN", client_order_id=command.client_order_id),))


def _sort(
    commands: Sequence[PlaceOrder],
    answers: dict[int, Placement],
    instruments: Mapping[str, InstrumentFacts],
    at: datetime,
    venue: str,
) -> tuple[list[NewOrder], dict[int, int]]:
    """Return the commands that make an order, and those that repeat the id of an earlier one; answer the invalid."""
    new: list[NewOrder] = []
    twins: dict[int, int] = {}
    leaders: dict[tuple[UUID, str], int] = {}
    sessions = {symbol: session_at(instrument, at) for symbol, instrument in instruments.items()}
    for index, command in enumerate(commands):
        if index in answers:
            continue
        leader = leaders.get((command.account_id, command.client_order_id))
        if leader is not None:
            twins[index] = leader
            continue
        faults = _faults(command, instruments.get(command.symbol))
        if faults:
            answers[index] = Placement("invalid", None, tuple(faults))
            continue
        leaders[command.account_id, command.client_order_id] = index
        instrument, session = instruments[command.symbol], sessions[command.symbol]
        new.append(NewOrder(index, command, command_hash(command), uuid7(), instrument, session, venue))
    return new, twins


def _faults(command: PlaceOrder, instrument: InstrumentFacts | None) -> list[Reason]:
    """Return why a command names nothing that can be ordered: no such symbol, or off its grid."""
    if instrument is None:
        return [reason("SYMBOL_UNKNOWN", symbol=command.symbol)]
    return grid_reasons(
        quantity=command.quantity,
        limit_price=command.limit_price,
        lot=instrument.lot_size,
        tick=instrument.tick_size,
    )


def _decide_and_store(new: Sequence[NewOrder], locked: LockedAccounts, at: datetime) -> list[DecidedOrder]:
    """Ask risk, store what it decided, and wake the venues that something now waits for."""
    decisions = orders_check(intents=[_intent(each, locked) for each in new], locked=locked, at=at)
    orders = [decided(each, decision, at=at) for each, decision in zip(new, decisions, strict=True)]
    orders_store(orders, locked=locked, at=at)
    venues_wake_on_commit(each.new.venue for each in orders if each.decision.approved and each.new.due_at(at) <= at)
    return orders


def _intent(new: NewOrder, locked: LockedAccounts) -> OrderIntent:
    command, account = new.command, locked[new.command.account_id]
    return OrderIntent(
        order_id=new.order_id,
        account_id=account.id,
        owner_id=account.owner_id,
        instrument=new.instrument,
        side=command.side.value,
        order_type=command.order_type.value,
        time_in_force=command.time_in_force.value,
        quantity=command.quantity,
        limit_price=command.limit_price,
        stop_price=command.stop_price,
        placed_at=command.placed_at,
        base_currency=account.base_currency,
        venue=new.venue,
    )


def _answered(each: DecidedOrder) -> Placement:
    if each.decision.approved:
        return Placement("accepted", each.order.facts)
    return Placement("refused", each.order.facts, each.decision.reasons)


def _twin_answer(command: PlaceOrder, leader: PlaceOrder, told: Placement) -> Placement:
    """Answer a command whose id stands earlier in its own batch, as if it had come after it."""
    if command_hash(command) != command_hash(leader):
        return _conflict(command)
    return Placement(told.status, told.order, told.refusal, is_replay=True)
