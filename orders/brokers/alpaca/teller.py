"""Turn what Alpaca says, on its stream and when asked, into reports: each told once, in order, and kept before."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog

from orders.brokers.alpaca import words
from orders.brokers.alpaca.told import Told
from orders.brokers.alpaca.words import (
    ACKNOWLEDGED,
    ENDS,
    FILLS,
    OVER,
    PAUSES,
    TAKEN,
    Fields,
    derived_id,
    foreign_order_id,
)
from orders.brokers.copies import OrderName, ReportCopy, VenueCopies
from orders.brokers.protocol import OnReports
from orders.domain.reports import ReportKind, Restatement, VenueReport

_ANSWERS = (ReportKind.CANCELED, ReportKind.CANCEL_REJECTED, ReportKind.EXPIRED, ReportKind.REJECTED)
_RANKS = {ReportKind.NEW: 0, ReportKind.REPLACED: 1, ReportKind.TRADE: 2}
log = structlog.get_logger(__name__)


class Teller:
    """Keep and report; all of it on one thread, whose database connection is its own."""

    def __init__(self, venue: str, on_reports: OnReports) -> None:
        self.venue = venue
        self.copies = VenueCopies(venue)
        self._on_reports = on_reports

    # What the stream says

    def update(self, update: Fields, at: datetime) -> UUID | None:
        """Take one trade update; return the order that must be asked about, if its story has a gap."""
        order = update["order"]
        name = self._name(order)
        if name is None:
            self._foreign(update, at)
            return None
        told = Told(self.copies.of([name.order_id]))
        said_at = words.instant(update.get("timestamp")) or at
        gap = self._move(str(update["event"]), update, order, name, told, said_at)
        self._keep(told)
        if order.get("status") in OVER and not gap:
            self.copies.names_end([name.name])
        return name.order_id if gap else None

    def _move(self, event: str, update: Fields, order: Fields, name: OrderName, told: Told, at: datetime) -> bool:
        """Add what an event reports; tell whether something must be missing."""
        if name.number and order.get("status") in ACKNOWLEDGED | {"canceled"}:
            self._replaced(order, name, told, at)
        if event in FILLS:
            self._trade_streamed(update, order, name, told, at)
            return told.lacks(order)
        if event in ("trade_bust", "trade_correct"):
            self._taken_back(event, update, order, name, told, at)
            return False
        if event == "replaced":
            return not name.number or order.get("replaced_by") is not None
        if event in ("canceled", "expired", "done_for_day") and told.lacks(order):
            return True  # its end must not be told before the trades that led to it
        self._state(event, update, order, name, told, at)
        return False

    def _state(self, event: str, update: Fields, order: Fields, name: OrderName, told: Told, at: datetime) -> None:
        """Add a report of a change that is no trade; events that only say what is awaited move nothing."""
        venue_order_id = str(order["id"])
        if event == "order_replace_rejected" or (event == "rejected" and name.number):
            self._replace_refused(order, name, told, words.text_of(update), at)
        elif event in ENDS:
            self._add(told, ENDS[event][0], order, name, at, _end_id(order, name, event), words.text_of(update))
        elif event == "new":
            self._new(order, name, told, at)
        elif event in TAKEN and not name.number:
            self._add(told, ReportKind.NEW, order, name, at, derived_id(venue_order_id, "new"))
        elif event in PAUSES and told.last_state() is not PAUSES[event]:
            self._add(told, PAUSES[event], order, name, at, derived_id(venue_order_id, event, at.isoformat()))
        elif event == "order_cancel_rejected":
            exec_id = derived_id(venue_order_id, event, at.isoformat())
            self._add(told, ReportKind.CANCEL_REJECTED, order, name, at, exec_id, words.text_of(update))
        elif event == "restated":
            self._restated(order, name, told, at)

    def _new(self, order: Fields, name: OrderName, told: Told, at: datetime) -> None:
        """Acknowledge an order once; a later `new` takes it up again after a pause."""
        if told.last_state() in (ReportKind.DONE_FOR_DAY, ReportKind.SUSPENDED):
            self._restated(order, name, told, at)
        elif not name.number:
            self._add(told, ReportKind.NEW, order, name, at, derived_id(order["id"], "new"))

    def _restated(self, order: Fields, name: OrderName, told: Told, at: datetime) -> None:
        """Take an order up again after a pause; any other restatement is left to a person."""
        why = {ReportKind.DONE_FOR_DAY: Restatement.RENEWAL, ReportKind.SUSPENDED: Restatement.RELEASE}
        last = told.last_state()
        exec_id = derived_id(order["id"], "restated", at.isoformat())
        restatement = why.get(last) if last else None
        self._add(told, ReportKind.RESTATED, order, name, at, exec_id, restatement=restatement)

    def _replaced(self, order: Fields, name: OrderName, told: Told, at: datetime) -> None:
        """Answer the replace that this order came of, once it works."""
        exec_id = derived_id(name.name, "replaced")
        if not told.has(exec_id):
            self._add(
                told, ReportKind.REPLACED, order, name, at, exec_id,
                quantity=words.amount(order.get("qty")), price=words.amount(order.get("limit_price")),
                stop_price=words.amount(order.get("stop_price")), request_id=UUID(name.name),
            )  # fmt: skip

    def _replace_refused(self, order: Fields, name: OrderName, told: Told, text: str, at: datetime) -> None:
        """Answer a replace that did not come about: the one this order would have been, or the last one asked."""
        names = [each for each in self.copies.names_of([name.order_id]) if each.number >= max(name.number, 1)]
        open_requests = [each for each in names if not told.has(derived_id(each.name, "replaced"))]
        if open_requests:
            request = name if name.number else open_requests[-1]
            exec_id = derived_id(request.name, "replace_rejected")
            self._add(told, ReportKind.REPLACE_REJECTED, order, name, at, exec_id, text, request_id=UUID(request.name))
            self.copies.names_end([request.name])

    def _trade_streamed(self, update: Fields, order: Fields, name: OrderName, told: Told, at: datetime) -> None:
        cumulative = words.amount(order.get("filled_qty"))
        exec_id = str(update.get("execution_id") or derived_id(order["id"], "fill", cumulative, at.isoformat()))
        self._trade(order["id"], name, told, exec_id, update, cumulative, at)

    def _trade(
        self, venue_order_id: object, name: OrderName, told: Told, exec_id: str, said: Fields,
        cumulative: Decimal | None, at: datetime,
    ) -> None:  # fmt: skip
        """Add a trade, unless one of the venue's two records has told of it already."""
        known = told.trades(str(venue_order_id))
        if told.has(exec_id) or (cumulative is not None and any(copy.cumulative == cumulative for copy in known)):
            return
        trade = words.report(
            self.venue, ReportKind.TRADE, name.order_id, str(venue_order_id), exec_id, at,
            quantity=words.amount(said.get("qty")), price=words.amount(said.get("price")),
        )  # fmt: skip
        told.fresh.append(ReportCopy(trade, cumulative))

    def _taken_back(self, event: str, update: Fields, order: Fields, name: OrderName, told: Told, at: datetime) -> None:
        """Add a bust or a correction of a trade."""
        is_bust = event == "trade_bust"
        ref = str(update.get("previous_execution_id") or "")
        exec_id = str(update.get("execution_id") or "")
        if exec_id in ("", ref):
            exec_id = derived_id(ref, event, at.isoformat())
        kind = ReportKind.TRADE_CANCEL if is_bust else ReportKind.TRADE_CORRECT
        self._add(
            told, kind, order, name, at, exec_id, ref_exec_id=ref or None,
            quantity=None if is_bust else words.amount(update.get("qty")),
            price=None if is_bust else words.amount(update.get("price")),
        )  # fmt: skip

    # What the venue answers when asked

    def snapshots(self, orders: Iterable[Fields], fills: Iterable[Fields], at: datetime) -> None:
        """Take orders as they stand, and trades: what the stream has told already is passed over."""
        by_order: dict[UUID, list[tuple[OrderName, Fields]]] = {}
        for order in orders:
            if name := self._name(order):
                by_order.setdefault(name.order_id, []).append((name, order))
        traded = self._traded(fills, at)
        for order_id in {**by_order, **traded}:
            told = Told(self.copies.of([order_id]))
            for name, fill in traded.get(order_id, ()):
                done_at = words.instant(fill.get("transaction_time")) or at
                cumulative = words.amount(fill.get("cum_qty"))
                self._trade(fill["order_id"], name, told, words.execution_of(fill), fill, cumulative, done_at)
            ended = [name.name for name, order in by_order.get(order_id, ()) if self._snapshot(order, name, told, at)]
            told.fresh.sort(key=lambda copy: (copy.report.executed_at, _RANKS.get(copy.report.kind, 3)))
            self._keep(told)
            self.copies.names_end(ended)

    def _traded(self, fills: Iterable[Fields], at: datetime) -> dict[UUID, list[tuple[OrderName, Fields]]]:
        """Return trades by order; those of orders that are not ours are told as such."""
        fills = list(fills)
        known = {
            name.venue_order_id: name for name in self.copies.names_called([], [str(f["order_id"]) for f in fills])
        }
        by_order: dict[UUID, list[tuple[OrderName, Fields]]] = {}
        for fill in fills:
            name = known.get(str(fill["order_id"]))
            if name is None:
                self._foreign_trade(str(fill["order_id"]), words.execution_of(fill), fill, at)
            else:
                by_order.setdefault(name.order_id, []).append((name, fill))
        return by_order

    def _snapshot(self, order: Fields, name: OrderName, told: Told, at: datetime) -> bool:
        """Add what an order as it stands tells; tell whether nothing more is to come of it."""
        status, venue_order_id = str(order["status"]), str(order["id"])
        submitted_at = words.instant(order.get("submitted_at")) or at
        if name.number and status in ACKNOWLEDGED:
            self._replaced(order, name, told, submitted_at)
        elif not name.number and status in ACKNOWLEDGED | TAKEN:
            self._add(told, ReportKind.NEW, order, name, submitted_at, derived_id(venue_order_id, "new"))
        if told.lacks(order):
            return False  # the venue's list of trades is behind: the end is told when they are
        if status == "rejected" and name.number:
            self._replace_refused(order, name, told, words.text_of(order), at)
        elif status in ENDS:
            kind, when = ENDS[status]
            ended_at = words.instant(order.get(when)) or words.instant(order.get("updated_at")) or at
            self._add(told, kind, order, name, ended_at, _end_id(order, name, status), words.text_of(order))
        elif status in PAUSES and told.last_state() is not PAUSES[status]:
            paused_at = words.instant(order.get("updated_at")) or at
            self._add(told, PAUSES[status], order, name, paused_at, derived_id(venue_order_id, status, paused_at))
        return status in OVER

    def ours(self, orders: Sequence[Fields]) -> set[UUID]:
        """Return which orders of ours these are; one that is not has an id that nobody knows."""
        names = self.copies.names_called(
            [str(order.get("client_order_id")) for order in orders], [str(order["id"]) for order in orders]
        )
        known = {name.name: name.order_id for name in names} | {name.venue_order_id: name.order_id for name in names}
        return {
            known.get(str(order["id"])) or known.get(str(order.get("client_order_id"))) or foreign_order_id(order["id"])
            for order in orders
        }

    # What we answer ourselves, having understood the venue's no

    def refused(self, order_id: UUID, text: str, at: datetime) -> None:
        """Reject an order that the venue did not take."""
        exec_id = derived_id(order_id, "rejected")
        rejected = words.report(self.venue, ReportKind.REJECTED, order_id, None, exec_id, at, reason=text[:200])
        self._report([ReportCopy(rejected)])
        self.copies.names_end([str(order_id)])

    def cancel_refused(self, order_id: UUID, venue_order_id: str | None, text: str, at: datetime, exec_id: str) -> None:
        """Say that a cancel came to nothing; an order that had ended already is answered with how it ended."""
        answers = [copy.report for copy in self.copies.of([order_id]) if copy.report.kind in _ANSWERS]
        if answers and (answers[-1].kind is not ReportKind.CANCEL_REJECTED or self._is_over(order_id)):
            self._on_reports([answers[-1]])
            return
        refused = words.report(
            self.venue, ReportKind.CANCEL_REJECTED, order_id, venue_order_id, exec_id, at, reason=text[:200]
        )
        self._report([ReportCopy(refused)])

    def replace_refused(self, order_id: UUID, request_id: UUID, text: str, at: datetime) -> None:
        """Say that a replace came to nothing."""
        exec_id = derived_id(request_id, "replace_rejected")
        refused = words.report(
            self.venue, ReportKind.REPLACE_REJECTED, order_id, None, exec_id, at, reason=text[:200],
            request_id=request_id,
        )  # fmt: skip
        self._report([ReportCopy(refused)], again=True)
        self.copies.names_end([str(request_id)])

    def again(self, order_ids: Collection[UUID], request_id: UUID | None = None) -> bool:
        """Report once more what is known of orders, or of one replace; tell whether there was anything."""
        copies = self.copies.of(order_ids)
        known = [c.report for c in copies if request_id is None or c.report.request_id == request_id]
        if known:
            self._on_reports(known)
        return bool(known)

    def learned(self, name: str, order: Fields) -> None:
        """Note what the venue calls an order that it has taken."""
        self._name({**order, "client_order_id": name})

    def _is_over(self, order_id: UUID) -> bool:
        return all(name.has_ended for name in self.copies.names_of([order_id]))

    def _name(self, order: Fields) -> OrderName | None:
        """Return the name under which an order of the venue's is one of ours, and learn the venue's own."""
        venue_order_id = str(order["id"])
        found = self.copies.names_called([str(order.get("client_order_id"))], [venue_order_id])
        name = next((each for each in found if each.venue_order_id == venue_order_id), found[0] if found else None)
        if name is not None and name.venue_order_id is None:
            self.copies.name_learn(name.name, venue_order_id)
        return name

    def _foreign(self, update: Fields, at: datetime) -> None:
        """Tell of trades in our account there that no order of ours asked for; the rest is nobody's business."""
        order = update["order"]
        if update["event"] in FILLS:
            exec_id = str(update.get("execution_id") or derived_id(order["id"], "fill", order.get("filled_qty")))
            self._foreign_trade(str(order["id"]), exec_id, update, words.instant(update.get("timestamp")) or at)
        log.warning("alpaca.foreign_order", venue=self.venue, venue_order_id=order["id"], moved_by=update["event"])

    def _foreign_trade(self, venue_order_id: str, exec_id: str, said: Fields, at: datetime) -> None:
        trade = words.report(
            self.venue, ReportKind.TRADE, foreign_order_id(venue_order_id), venue_order_id, exec_id, at,
            quantity=words.amount(said.get("qty")), price=words.amount(said.get("price")),
        )  # fmt: skip
        self._report([ReportCopy(trade, words.amount(said.get("cum_qty")))])

    def _add(
        self, told: Told, kind: ReportKind, order: Fields, name: OrderName, at: datetime, exec_id: str,
        text: str = "", **more: Any,
    ) -> None:  # fmt: skip
        if not told.has(exec_id):
            made = words.report(self.venue, kind, name.order_id, str(order["id"]), exec_id, at, reason=text, **more)
            told.fresh.append(ReportCopy(made))

    def _keep(self, told: Told) -> None:
        self._report(told.fresh)

    def _report(self, copies: Sequence[ReportCopy], *, again: bool = False) -> None:
        """Store reports, then pass on those that are new, or all of them to answer a request once more."""
        fresh = self.copies.add(copies)
        reports: Sequence[VenueReport] = [copy.report for copy in copies] if again else fresh
        if reports:
            self._on_reports(reports)


def _end_id(order: Fields, name: OrderName, status: str) -> str:
    """Return the id of an end; a rejection may be told by the answer to the order, and by the stream as well."""
    return derived_id(name.order_id if status == "rejected" else order["id"], status)
