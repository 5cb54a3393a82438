"""What we keep of a FIX venue: the session's place, what it was asked under which name, and all it reported."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction

from audit.sql import as_json, execute, fetch, pipelined
from orders.brokers.protocol import DropCopy, VenueOrder, VenueReplace
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.types import IntentKind

PAGE = 4000

_OPEN = """
INSERT INTO orders_fixlink AS l (venue, generation, era, received_up_to, started_at) VALUES (%s, 1, '', 0, %s)
ON CONFLICT (venue) DO UPDATE SET generation = l.generation + 1, started_at = excluded.started_at
RETURNING generation, era, received_up_to
"""
_GENERATION = "SELECT generation FROM orders_fixlink WHERE venue = %s"
_MARK = "UPDATE orders_fixlink SET era = %s, received_up_to = %s WHERE venue = %s AND generation = %s"
_SEND = """
INSERT INTO orders_fixsent (venue, name, order_id, kind, terms, sent_at)
SELECT %s, name, order_id, kind, terms, %s
FROM json_to_recordset(%s::json) AS new(name text, order_id uuid, kind text, terms jsonb)
ON CONFLICT DO NOTHING RETURNING name
"""
_SENT = "SELECT name, order_id, kind FROM orders_fixsent WHERE venue = %s AND name = ANY(%s)"
_ORDERS = "SELECT terms FROM orders_fixsent WHERE venue = %s AND name = ANY(%s) AND kind = 'submit'"
_KNOWN_AS = """
SELECT DISTINCT ON (order_id) order_id, report->>'request_id' FROM orders_venuereportcopy
WHERE venue = %s AND order_id = ANY(%s) AND report->>'kind' = 'replaced' AND report->>'request_id' IS NOT NULL
ORDER BY order_id, id DESC
"""
_KEEP = """
INSERT INTO orders_venuereportcopy (venue, order_id, exec_id, venue_order_id, report, message)
SELECT %s, order_id, exec_id, venue_order_id, report, message
FROM json_to_recordset(%s::json)
     AS new(n int, order_id uuid, exec_id text, venue_order_id text, report jsonb, message text)
ORDER BY n ON CONFLICT DO NOTHING
"""
_REPORTS_OF = "SELECT report FROM orders_venuereportcopy WHERE venue = %s AND order_id = ANY(%s) ORDER BY id"
_REPORTS_AFTER = "SELECT id, report FROM orders_venuereportcopy WHERE venue = %s AND id > %s ORDER BY id LIMIT %s"


class Kept(msgspec.Struct, frozen=True):
    """A report with the text it came as."""

    report: VenueReport
    message: str = ""


class Asked(msgspec.Struct, frozen=True):
    """A request as it is stored before it is sent; `name` is its ClOrdID."""

    name: str
    order_id: UUID
    kind: IntentKind
    terms: Any


class FixStore:
    """Read and write one venue's rows on the calling thread's connection."""

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.generation = 0

    def open(self, at: datetime) -> tuple[str, int]:
        """Take the session over; return the era last heard in, and up to which of its messages all is recorded."""
        self.generation, era, received_up_to = fetch(_OPEN, [self.venue, at])[0]
        return era, received_up_to

    def is_ours(self) -> bool:
        """Tell whether nobody has taken the session over since."""
        rows = fetch(_GENERATION, [self.venue])
        return bool(rows) and rows[0][0] == self.generation

    def ask(self, requests: Sequence[Asked], at: datetime) -> set[str]:
        """Store requests; return the names of those that are new."""
        if not requests:
            return set()
        return {row[0] for row in fetch(_SEND, [self.venue, at, as_json(requests)])}

    def sent(self, names: Collection[str]) -> dict[str, tuple[UUID, IntentKind]]:
        """Return which requests of ours these names are."""
        rows = fetch(_SENT, [self.venue, list(names)])
        return {name: (order_id, IntentKind(kind)) for name, order_id, kind in rows}

    def orders(self, order_ids: Collection[UUID]) -> dict[UUID, VenueOrder]:
        """Return orders as they were first sent; those that never were are left out."""
        rows = fetch(_ORDERS, [self.venue, [str(order_id) for order_id in order_ids]])
        found = [msgspec.json.decode(row[0], type=VenueOrder) for row in rows]
        return {order.order_id: order for order in found}

    def known_as(self, order_ids: Collection[UUID]) -> dict[UUID, str]:
        """Return the ClOrdID that the venue accepted last for each order."""
        names = {order_id: str(order_id) for order_id in order_ids}
        return names | {row[0]: row[1] for row in fetch(_KNOWN_AS, [self.venue, list(order_ids)])}

    def keep(self, reports: Sequence[Kept], *, era: str, received_up_to: int) -> None:
        """Store reports in their order, and that every message up to a number is recorded, together."""
        rows = [{"n": number, **_row(kept)} for number, kept in enumerate(reports)]
        with transaction.atomic(), pipelined():
            if rows:
                execute(_KEEP, [self.venue, as_json(rows)])
            if era:
                execute(_MARK, [era, received_up_to, self.venue, self.generation])

    def reports_of(self, order_ids: Collection[UUID]) -> list[VenueReport]:
        """Return every report of these orders, oldest first."""
        return [_report(row[0]) for row in fetch(_REPORTS_OF, [self.venue, list(order_ids)])]

    def reports_after(self, since_id: int, limit: int = PAGE) -> DropCopy:
        """Return a page of what the venue reported."""
        rows = fetch(_REPORTS_AFTER, [self.venue, since_id, limit])
        return DropCopy([_report(row[1]) for row in rows], rows[-1][0] if rows else since_id)


def order_asked(order: VenueOrder) -> Asked:
    """Return an order as it is stored before it is sent."""
    return Asked(str(order.order_id), order.order_id, IntentKind.SUBMIT, order)


def replace_asked(asked: VenueReplace) -> Asked:
    """Return a replace as it is stored before it is sent."""
    return Asked(str(asked.request_id), asked.order_id, IntentKind.REPLACE, asked)


def _row(kept: Kept) -> dict[str, object]:
    report = kept.report
    return {
        "order_id": report.order_id,
        "exec_id": report.exec_id,
        "venue_order_id": report.venue_order_id or "",
        "report": report,
        "message": kept.message,
    }


def _report(stored: str) -> VenueReport:
    return msgspec.json.decode(stored, type=VenueReport)


def ended_by_cancel(reports: Sequence[VenueReport]) -> VenueReport | None:
    """Return the report that said an order is canceled, if one did."""
    return next((report for report in reversed(reports) if report.kind is ReportKind.CANCELED), None)
