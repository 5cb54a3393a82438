"""Let the orders of a bracket, an OCO or an OTO follow each other, in the transaction that moved one of them.

The rules stand in orders.domain.brackets; here they are carried out. A crash leaves either both the move and what
follows from it, or neither. The exits of a group hold one reservation, for both: see `holder`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from accounts.domain.types import LockedAccounts
from audit.domain.types import Actor
from marketdata.domain.types import InstrumentFacts
from marketdata.selectors import instruments_by_id, session_at
from orders.domain.brackets import (
    ENTRY_BUSTED,
    EXIT_NOT_COVERED,
    Group,
    Member,
    Step,
    StepKind,
    own_end,
    steps,
)
from orders.domain.events import OrderActivated, OrderAnomaly, OrderCanceled, OrderCancelRequested, OrderRestated
from orders.domain.order import EventKind, OrderEvent
from orders.domain.reports import Restatement
from orders.domain.types import BaseState, IntentKind, OrderClass, PendingOperation
from orders.selectors.rows import orders_fetch
from orders.selectors.versions import versions_last, versions_pending
from orders.services.intents import intents_drop, intents_insert, replaces_insert
from orders.services.reserving import exits_reservation
from orders.services.splitting import order_split, split_facts, splits_write
from orders.services.versions import NewVersion, replace_for_less, versions_insert
from orders.services.waking import venues_wake_on_commit
from orders.services.working import Journal, WorkingOrder, orders_save, reasons_stored
from positions.domain.types import AccountExposure, NewReservation, Side
from positions.selectors import exposures
from positions.services import reservations_open, reservations_release
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.money import ZERO

_BY = Actor.system("group")
_CANCEL = OrderEvent(EventKind.CANCEL_REQUESTED)
_OTHERS = """
FROM orders_order o
WHERE (o.id = ANY(%s) OR o.parent_id = ANY(%s) AND o.leg <> '') AND NOT o.id = ANY(%s)
ORDER BY o.id FOR NO KEY UPDATE
"""


@dataclass(slots=True)
class Followed:
    """What follows from a transaction's moves, for its caller to write beside them."""

    orders: list[WorkingOrder] = field(default_factory=list)
    intents: list[tuple[UUID, str, IntentKind, datetime]] = field(default_factory=list)
    dropped: list[UUID] = field(default_factory=list)
    released: list[UUID] = field(default_factory=list)
    opened: list[NewReservation] = field(default_factory=list)
    versions: list[NewVersion] = field(default_factory=list)
    split: list[WorkingOrder] = field(default_factory=list)

    def write(self, *, at: datetime) -> None:
        """Store it, after what the caller stored of the orders it moved itself."""
        intents_drop(self.dropped, at=at)
        intents_insert(self.intents)
        versions_insert(self.versions, at=at)
        replaces_insert([(each.order.id, each.order.venue, each.terms.version_id) for each in self.versions], at=at)
        reservations_release(order_ids=self.released)
        reservations_open(reservations=self.opened, at=at)
        splits_write(self.split, {})
        orders_save(self.orders, at=at)


def is_grouped(orders: Iterable[WorkingOrder]) -> bool:
    """Tell whether any of these orders hangs together with others; most batches have none."""
    return any(order.facts.order_class is not OrderClass.SIMPLE for order in orders)


def groups_follow(
    moved: Iterable[WorkingOrder],
    locked: LockedAccounts,
    journal: Journal,
    *,
    at: datetime,
    spared: Collection[UUID] = (),
    splits: Mapping[UUID, Decimal] | None = None,
) -> Followed:
    """Carry out what the moves of a transaction ask of the orders that hang on them, and return what to write.

    The caller holds the accounts' locks and has stored fills and the reservations of all other orders. What a venue
    has just refused of `spared` is not asked of them again here: the sweep comes back to it. `splits` are the ratios by
    which orders were split: legs that no venue has heard of follow.
    """
    orders = {order.facts.id: order for order in moved if order.facts.order_class is not OrderClass.SIMPLE}
    if not orders:
        return Followed()
    work = _Work(_with_others(orders), locked, journal, at, frozenset(spared))
    for order_id, ratio in (splits or {}).items():
        work.split(order_id, ratio)
    work.run()
    return work.followed


def _with_others(known: Mapping[UUID, WorkingOrder]) -> dict[UUID, WorkingOrder]:
    """Return every order of the groups that these belong to; what is not known yet is read and locked."""
    roots = list({order.facts.parent_id or order.facts.id for order in known.values()})
    others = orders_fetch(_OTHERS, [roots, roots, list(known)])
    asked = versions_pending([facts.id for facts in others if facts.pending is PendingOperation.REPLACE])
    return dict(known) | {facts.id: WorkingOrder(facts, asked.get(facts.id)) for facts in others}


class _Work:
    """Carry out the rules on all groups that a transaction touched."""

    def __init__(
        self,
        orders: Mapping[UUID, WorkingOrder],
        locked: LockedAccounts,
        journal: Journal,
        at: datetime,
        spared: frozenset[UUID],
    ) -> None:
        self.orders = orders
        self.locked = locked
        self.journal = journal
        self.at = at
        self.spared = spared
        self.followed = Followed()
        self.instruments = instruments_by_id({order.facts.instrument_id for order in orders.values()})
        self.free: dict[tuple[UUID, UUID, Side], Decimal] | None = None
        self.told = {key: order.sequence for key, order in orders.items()}
        self.roots = [key for key, order in orders.items() if order.facts.parent_id is None]

    def run(self) -> None:
        """Follow until nothing more is asked; every step leaves its order where it cannot be asked again."""
        for root in self.roots:
            self._note_oddities(root)
            while todo := self._todo(root):
                self._take(root, todo)
        self.followed.orders = [order for key, order in self.orders.items() if order.sequence > self.told[key]]
        for root in self.roots:
            self._reserve(self._group(root), self.followed)
        due = [venue for _, venue, _, due_at in self.followed.intents if due_at <= self.at]
        venues_wake_on_commit([*due, *(each.order.venue for each in self.followed.versions)])

    def split(self, root: UUID, ratio: Decimal) -> None:
        """Restate the held legs of an order that was split; those at a venue are the venue's to restate."""
        for leg in self.orders.values():
            if leg.facts.parent_id != root or leg.state.base is not BaseState.HELD:
                continue
            terms = order_split(leg, OrderEvent(EventKind.SPLIT, ratio=ratio), None, at=self.at)
            if isinstance(terms, Reason):
                self._note_anomaly(leg.facts.id, terms)
                continue
            told: dict[str, Any] = {"venue": leg.facts.venue, "venue_order_id": None, "exec_id": None, "text": ""}
            told |= {"restatement": Restatement.SPLIT.value} | split_facts(terms)
            self.journal.note(leg, OrderRestated, by=_BY, **told)
            self.followed.split.append(leg)

    def _group(self, root: UUID, *, is_before: bool = False) -> Group:
        """Return a group as it stands, or as it stood before this transaction."""
        legs = [order for order in self.orders.values() if order.facts.parent_id == root]
        return Group(_member(self.orders[root], is_before), [_member(leg, is_before) for leg in legs])

    def _todo(self, root: UUID) -> list[Step]:
        return [step for step in steps(self._group(root)) if step.order.facts.id not in self.spared]

    def _take(self, root: UUID, todo: list[Step]) -> None:
        activations = [step for step in todo if step.kind is StepKind.ACTIVATE]
        covered = self._covered(activations[0]) if activations else ZERO
        if activations and covered < activations[0].quantity:
            facts = {"quantity": activations[0].quantity, "available": covered}
            self._note_anomaly(root, reason(EXIT_NOT_COVERED, **facts))
        for step in todo:
            order = self.orders[step.order.facts.id]
            if step.kind is StepKind.ACTIVATE and covered:
                self._activate(order, step.why, min(step.quantity, covered))
            elif step.kind is StepKind.ACTIVATE:
                self._cancel(order, reason(EXIT_NOT_COVERED, quantity=step.quantity, available=covered))
            elif step.kind is StepKind.REDUCE:
                self._reduce(order, step.quantity)
            else:
                self._cancel(order, step.why)

    def _covered(self, step: Step) -> Decimal:
        """Return how much of what exits are to close is held and free, and count it as taken: exits only reduce."""
        facts = step.order.facts
        if self.free is None:
            self.free = self._free()
        key = (facts.account_id, facts.instrument_id, facts.side)
        covered = max(ZERO, min(self.free.get(key, ZERO), step.quantity))
        self.free[key] = self.free.get(key, ZERO) - covered
        return covered

    def _free(self) -> dict[tuple[UUID, UUID, Side], Decimal]:
        """Return what each side could still close; the exits that work already are written first, to be counted."""
        working = Followed()
        for root in self.roots:
            self._reserve(self._group(root), working)
        working.write(at=self.at)
        return _closable(exposures({order.facts.account_id for order in self.orders.values()}))

    def _activate(self, order: WorkingOrder, why: Reason, quantity: Decimal) -> None:
        due_at = _due_at(self.instruments[order.facts.instrument_id], self.at)
        order.apply(OrderEvent(EventKind.ACTIVATED, quantity=quantity), at=self.at)
        self.journal.note(order, OrderActivated, by=_BY, reason=why.as_dict(), due_at=due_at.isoformat())
        self.followed.intents.append((order.facts.id, order.facts.venue, IntentKind.SUBMIT, due_at))

    def _cancel(self, order: WorkingOrder, why: Reason) -> None:
        order.apply(_CANCEL, at=self.at)
        stored = reasons_stored([why])
        order.facts = replace(order.facts, reasons=stored)
        if order.state.pending is PendingOperation.CANCEL:
            self.journal.note(order, OrderCancelRequested, by=_BY, reasons=tuple(stored))
            self.followed.intents.append((order.facts.id, order.facts.venue, IntentKind.CANCEL, self.at))
            return
        never_sent: dict[str, Any] = {"venue_order_id": None, "exec_id": None, "text": "never sent"}
        self.journal.note(order, OrderCanceled, by=_BY, venue=order.facts.venue, reasons=tuple(stored), **never_sent)
        self.followed.dropped.append(order.facts.id)

    def _reduce(self, order: WorkingOrder, quantity: Decimal) -> None:
        """Ask for the order as it is, for less: nobody has to judge that."""
        number = versions_last([order.facts.id]).get(order.facts.id, 1) + 1
        version = replace_for_less(order, quantity, number=number, journal=self.journal, by=_BY, at=self.at)
        self.followed.versions.append(version)

    def _reserve(self, group: Group, into: Followed) -> None:
        """Have the group's one reservation be what its exits may still trade."""
        exits = [self.orders[each.facts.id] for each in group.exits]
        into.released += [order.facts.id for order in exits]
        held = exits_reservation(exits, locked=self.locked, instruments=self.instruments)
        if held is not None:
            into.opened.append(held)

    def _note_oddities(self, root: UUID) -> None:
        """Note what a person has to look at, once: when it came about."""
        before, after = self._group(root, is_before=True), self._group(root)
        if after.excess > before.excess:
            self._note_anomaly(root, reason("OVER_EXIT", excess=after.excess))
        working = [each for each in after.exits if each.state.base is not BaseState.HELD and each.state.leaves_quantity]
        entry, was = after.entry, before.entry
        if entry is None or was is None:
            return
        if working and entry.state.filled_quantity < was.state.filled_quantity:
            self._note_anomaly(root, reason(ENTRY_BUSTED, filled=entry.state.filled_quantity))
        for now, then in zip(after.exits, before.exits, strict=True):
            if now.state.base is BaseState.REJECTED and then.state.base is not BaseState.REJECTED:
                self._note_anomaly(root, reason("EXIT_REJECTED", order_id=now.facts.id))
        exits = max((each.state.quantity for each in working), default=ZERO)
        if working and exits < entry.state.filled_quantity > was.state.filled_quantity:
            self._note_anomaly(root, reason("EXITS_TOO_SMALL", exits=exits, filled=entry.state.filled_quantity))

    def _note_anomaly(self, root: UUID, why: Reason) -> None:
        order = self.orders[root]
        about: dict[str, Any] = {"exec_id": None, "execution_id": None, "parked_report_id": None}
        self.journal.note(order, OrderAnomaly, by=_BY, venue=order.facts.venue, reason=why.as_dict(), **about)


def _member(order: WorkingOrder, is_before: bool) -> Member:
    return Member(order.facts, order.facts.state if is_before else order.state, own_end(order.facts.reasons))


def _closable(held: Mapping[UUID, AccountExposure]) -> dict[tuple[UUID, UUID, Side], Decimal]:
    """Return what may be closed by a side: what is held (sold short) and no working order is going to close."""
    found: dict[tuple[UUID, UUID, Side], Decimal] = {}
    for account_id, exposure in held.items():
        for instrument_id, holding in exposure.holdings.items():
            side = Side.SELL if holding.quantity > ZERO else Side.BUY
            found[account_id, instrument_id, side] = abs(holding.quantity)
        for working in exposure.working:
            key = (account_id, working.instrument_id, working.side)
            if key in found:
                found[key] -= working.quantity_left
    return found


def _due_at(instrument: InstrumentFacts, at: datetime) -> datetime:
    session = session_at(instrument, at)
    return at if session.is_open or session.opens_at is None else session.opens_at
