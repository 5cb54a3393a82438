"""Record what venues report: orders, money, holdings and events move together, or the report is parked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from accounts.domain.types import LockedAccounts
from accounts.services import accounts_lock_later
from audit.sql import execute, fetch, pipelined
from marketdata.domain.types import InstrumentFacts
from marketdata.selectors import instruments_by_id
from orders.domain.facts import OrderFacts, RecordOutcome
from orders.domain.order import EventKind
from orders.domain.reports import Restatement, VenueReport
from orders.domain.types import PendingOperation
from orders.selectors.executions import executions_by_exec_id, executions_live, executions_live_of
from orders.selectors.rows import LOCKED, orders_fetch_later
from orders.selectors.versions import versions_pending
from orders.services.alerting import Alert, alerts_raise
from orders.services.filling import Fill, fill_fact
from orders.services.groups import Followed, groups_follow, is_grouped
from orders.services.intents import intents_settle
from orders.services.leasing import lease_require
from orders.services.narrating import Outcomes, narrate
from orders.services.parking import parked_applied, parked_lock, recorded_and_early_later, reports_park
from orders.services.reporting import BOOKED, Batch, Incoming, Known, Move, Parked, changed_orders
from orders.services.reserving import reservations_follow
from orders.services.splitting import splits_write
from orders.services.versions import versions_settle
from orders.services.working import Journal, orders_save
from positions.domain.errors import Unbookable
from positions.domain.types import FillFact, FillOutcome
from positions.services import FillRestatement, fills_apply, fills_restate
from trading_portal.kernel.arrays import Rows, texts_of, uuids_of
from trading_portal.kernel.errors import Reason
from trading_portal.kernel.failpoints import failpoint
from trading_portal.kernel.ids import uuid7

_OWNERS = "SELECT DISTINCT account_id FROM orders_order WHERE id = ANY(%s::uuid[])"
_REMEMBER = """
INSERT INTO orders_recordedreport (venue, exec_id, order_id)
SELECT %s, exec_id, order_id FROM unnest(%s::text[], %s::uuid[]) AS new(exec_id, order_id) ON CONFLICT DO NOTHING
"""
_TRADES = Rows(
    id="uuid", order_id="uuid", account_id="uuid", exec_id="text", ref_exec_id="text", kind="text", trade_id="uuid",
    is_live="boolean", quantity="numeric", restated_quantity="numeric", price="numeric", fee="numeric",
    executed_at="timestamptz",
)  # fmt: skip
_EXECUTIONS = f"""
INSERT INTO orders_execution (venue, recorded_at, {_TRADES.columns}) SELECT %s, %s, {_TRADES.columns} FROM {_TRADES}
"""
_NO_LONGER_LIVE = "UPDATE orders_execution SET is_live = false WHERE id = ANY(%s)"


def executions_record(*, venue: str, reports: Sequence[VenueReport], fence: int | None, at: datetime) -> RecordOutcome:
    """Apply a venue's reports in their order, in one transaction; a repeat changes nothing.

    What cannot be applied is parked with an anomaly event, and its neighbours go on. Raise LeaseLost when the fence
    is not the venue's latest: then nothing was recorded, and whoever holds the lease reads the drop copy.
    """
    if not reports:
        return RecordOutcome()
    with transaction.atomic(), pipelined():
        lease_require(venue=venue, fence=fence)
        outcome = reports_apply(venue, [Incoming(report, uuid7()) for report in reports], at)
        failpoint("record.before_commit")
    failpoint("record.after_commit")
    return outcome


def reports_apply(venue: str, incoming: Sequence[Incoming], at: datetime) -> RecordOutcome:
    """Apply reports in the caller's transaction; one that was parked and has been dealt with meanwhile is left out."""
    reports = [each.report for each in incoming]
    ids = list({report.order_id for report in reports})
    owners = [row[0] for row in fetch(_OWNERS, [uuids_of(ids)])]
    with pipelined():
        held = accounts_lock_later(owners)
        found = orders_fetch_later(LOCKED, [uuids_of(ids)])
        remembered = recorded_and_early_later(venue, reports)
        locked, orders, (recorded, early) = held(), found(), remembered()
    known = _known(venue, reports, orders, recorded, early)
    instruments = instruments_by_id({order.instrument_id for order in known.orders.values()}) if known.orders else {}
    again = [each.parked_id for each in incoming if each.parked_id is not None]
    if again:
        waiting = parked_lock(again)
        incoming = [each for each in incoming if each.parked_id is None or each.parked_id in waiting]
    unbookable: dict[UUID, Reason] = {}
    while True:
        batch = Batch(known, at, unbookable)
        batch.run(incoming)
        try:
            # Only a batch with busts or corrections writes in two steps, which a savepoint then holds together.
            with transaction.atomic() if _restating(batch) else nullcontext():
                outcomes = _book(batch, locked, instruments, at)
        except Unbookable as error:
            # The batch is read anew without it: what cannot be booked is parked, and its neighbours go on.
            unbookable[_blamed(batch, error.execution_id)] = error.reason
        else:
            return _store(batch, outcomes, locked, instruments, at)


def _known(
    venue: str,
    reports: Sequence[VenueReport],
    orders: Sequence[OrderFacts],
    recorded: dict[str, UUID],
    early: dict[str, list[Incoming]],
) -> Known:
    asked = versions_pending([order.id for order in orders if order.pending is PendingOperation.REPLACE])
    waiting = [each.report for waiting in early.values() for each in waiting]
    referred = [report.ref_exec_id for report in (*reports, *waiting) if report.ref_exec_id is not None]
    executions = executions_by_exec_id(venue, referred) if referred else {}
    # A split restates every fill of its order, and only then are they read.
    split = [report.order_id for report in reports if report.restatement is Restatement.SPLIT]
    executions |= {each.exec_id: each for each in executions_live_of(split)} if split else {}
    return Known(
        venue=venue,
        orders={order.id: order for order in orders},
        recorded=recorded,
        executions=executions,
        asked=asked,
        early=early,
    )


def _moves(batch: Batch, *kinds: EventKind) -> list[Move]:
    return [move for move in batch.moves if isinstance(move, Move) and move.kind in kinds]


def _restating(batch: Batch) -> list[Move]:
    return _moves(batch, EventKind.BUSTED, EventKind.CORRECTED)


def _blamed(batch: Batch, execution_id: UUID) -> UUID:
    """Return the execution id of the report that an unbookable fill came with."""
    for move in _moves(batch, *BOOKED):
        if execution_id == move.execution_id or (move.referred and move.referred.execution_id == execution_id):
            return move.execution_id
    raise LookupError(f"no report of this batch has the execution {execution_id}")


def _book(batch: Batch, locked: LockedAccounts, instruments: Mapping[UUID, InstrumentFacts], at: datetime) -> Outcomes:
    """Book fills, then busts and corrections, and return what each left behind; Unbookable leaves nothing booked."""
    fills = [_fill_fact(move, _fill(batch, move), instruments) for move in _moves(batch, EventKind.TRADED)]
    booked = fills_apply(fills=fills, locked=locked, at=at)
    _executions_insert(batch, at)
    restating = _restating(batch)
    restated: list[FillOutcome] = []
    if restating:
        execute(_NO_LONGER_LIVE, [[move.referred.execution_id for move in restating if move.referred]])
        restated = fills_restate(
            restatements=[_restatement(batch, move, instruments) for move in restating],
            live=_live(restating, instruments),
            locked=locked,
            at=at,
        )
    return Outcomes(
        {outcome.execution_id: outcome for outcome in booked},
        {outcome.execution_id: outcome for outcome in restated},
    )


def _fill(batch: Batch, move: Move) -> Fill:
    """Return the fill that a move made."""
    if move.report.exec_id is None:
        raise LookupError(f"a fill of order {move.report.order_id} has no exec_id")
    return batch.fills[move.report.exec_id]


def _fill_fact(move: Move, fill: Fill, instruments: Mapping[UUID, InstrumentFacts]) -> FillFact:
    facts = move.order.facts
    return fill_fact(facts, fill, currency=instruments[facts.instrument_id].currency)


def _restatement(batch: Batch, move: Move, instruments: Mapping[UUID, InstrumentFacts]) -> FillRestatement:
    if move.referred is None:
        raise LookupError(f"{move.report.exec_id} refers to no fill")
    is_correction = move.kind is EventKind.CORRECTED
    return FillRestatement(
        transaction_id=move.execution_id,
        removed=_fill_fact(move, move.referred, instruments),
        added=_fill_fact(move, _fill(batch, move), instruments) if is_correction else None,
    )


def _live(restating: Sequence[Move], instruments: Mapping[UUID, InstrumentFacts]) -> list[FillFact]:
    """Return every fill that now stands in the holdings touched, in the order they were traded."""
    holdings = {(move.order.facts.account_id, move.order.facts.instrument_id) for move in restating}
    return [
        FillFact(
            each.id,
            each.order_id,
            each.account_id,
            each.instrument_id,
            each.side,
            each.quantity,
            each.price,
            each.fee,
            instruments[each.instrument_id].currency,
            each.executed_at,
        )
        for each in executions_live(holdings)
    ]


def _executions_insert(batch: Batch, at: datetime) -> None:
    rows = [_execution_row(move, _fill(batch, move)) for move in _moves(batch, *BOOKED)]
    if rows:
        execute(_EXECUTIONS, [batch.known.venue, at, *_TRADES.bound(rows)])


def _execution_row(move: Move, fill: Fill) -> tuple[object, ...]:
    report, is_bust = move.report, move.kind is EventKind.BUSTED
    taken_back = move.referred if is_bust else None
    trade_id = None if fill.trade_id == fill.execution_id else fill.trade_id
    restated = None if fill.counted == fill.quantity else fill.counted
    said = taken_back or report
    return (
        move.execution_id, report.order_id, move.order.facts.account_id, report.exec_id, report.ref_exec_id,
        report.kind.value, trade_id, not is_bust, said.quantity, restated, said.price, said.fee, report.executed_at,
    )  # fmt: skip


def _store(
    batch: Batch,
    outcomes: Outcomes,
    locked: LockedAccounts,
    instruments: Mapping[UUID, InstrumentFacts],
    at: datetime,
) -> RecordOutcome:
    """Write what the batch left: report ids, orders, messages settled, reservations, parked reports and events."""
    orders = changed_orders(batch)
    waits = {order.facts.id: order.state.pending is not PendingOperation.NONE for order in orders}
    parked = [move for move in batch.moves if isinstance(move, Parked)]
    # A venue that works an order which nobody here placed is for a person to look at.
    strays = {str(each.report.order_id): each.why for each in parked if each.order is None}
    alerts_raise(venue=batch.known.venue, alerts=[Alert(why, subject) for subject, why in strays.items()], at=at)
    fresh = {key: order_id for key, order_id in batch.recorded.items() if key not in batch.known.recorded}
    journal = Journal(locked, at=at)
    narrate(batch, outcomes, journal)
    split = _moves(batch, EventKind.SPLIT)
    # Alone, so that it costs only who has groups: what follows in them depends on what all the others hold.
    followed = Followed()
    has_groups = is_grouped(batch.orders.values())
    if has_groups:
        reservations_follow(orders, locked=locked, instruments=instruments, at=at)
        splits = {move.order.facts.id: move.event.ratio for move in split}
        followed = groups_follow(batch.orders.values(), locked, journal, at=at, spared=_refused(batch), splits=splits)
    with pipelined():
        if fresh:
            execute(_REMEMBER, [batch.known.venue, texts_of(fresh), uuids_of(fresh.values())])
        if not has_groups:
            reservations_follow(orders, locked=locked, instruments=instruments, at=at)
        intents_settle(waits, at=at)
        versions_settle([move.settled for move in batch.moves if isinstance(move, Move) and move.settled], at=at)
        if split:
            splits_write(list({id(move.order): move.order for move in split}.values()), _restated(batch, split))
        reports_park(batch.known.venue, parked, at=at)
        parked_applied(batch.unparked, at=at)
        orders_save([order for order in batch.orders.values() if order.sequence > order.facts.event_sequence], at=at)
        followed.write(at=at)
        journal.write()
    return RecordOutcome(
        recorded=len(batch.moves) - len(parked),
        repeats=batch.repeats,
        parked=len(parked),
        changed={order.facts.id for order in orders},
    )


def _refused(batch: Batch) -> set[UUID]:
    """Return the orders of which the venue has just refused what was asked."""
    return {move.report.order_id for move in _moves(batch, EventKind.CANCEL_REJECTED, EventKind.REPLACE_REJECTED)}


def _restated(batch: Batch, split: Sequence[Move]) -> dict[UUID, Decimal]:
    """Return what the fills of split orders count for now; those made in this batch are there already."""
    orders = {move.report.order_id for move in split}
    stored = {each.id for each in batch.known.executions.values()}
    return {
        fill.execution_id: fill.counted
        for fill in batch.fills.values()
        if fill.order_id in orders and fill.execution_id in stored and fill.is_live
    }
