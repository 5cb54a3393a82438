"""Keep a drop copy, and the names of orders, for venues that keep none that could be read by number."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec
from django.db import transaction

from audit.sql import execute, fetch
from orders.brokers.protocol import DropCopy
from orders.domain.reports import VenueReport

PAGE = 2000
_COLUMNS = "name, order_id, number, venue_order_id, sent_at, has_ended"
_NAME = f"""
INSERT INTO orders_venueordername AS n (venue, name, order_id, number, sent_at, has_ended)
SELECT %s, name, order_id,
       CASE WHEN is_replace THEN (SELECT coalesce(max(number), 0) + 1 FROM orders_venueordername o
                                  WHERE o.venue = %s AND o.order_id = new.order_id) ELSE 0 END, %s, false
FROM unnest(%s::text[], %s::uuid[], %s::boolean[]) AS new(name, order_id, is_replace)
ON CONFLICT (venue, name) DO UPDATE SET sent_at = excluded.sent_at
RETURNING {_COLUMNS}, xmax = 0
"""
_LEARN = "UPDATE orders_venueordername SET venue_order_id = %s WHERE venue = %s AND name = %s"
_END = "UPDATE orders_venueordername SET has_ended = true WHERE venue = %s AND name = ANY(%s)"
_OF_ORDERS = f"SELECT {_COLUMNS} FROM orders_venueordername WHERE venue = %s AND order_id = ANY(%s) ORDER BY number"
_BY_NAME = f"""
SELECT {_COLUMNS} FROM orders_venueordername WHERE venue = %s AND (name = ANY(%s) OR venue_order_id = ANY(%s))
"""
_LIKE = "SELECT order_id FROM orders_venueordername WHERE venue = %s AND venue_order_id LIKE %s"
_OPEN = f"SELECT {_COLUMNS} FROM orders_venueordername WHERE venue = %s AND NOT has_ended ORDER BY sent_at LIMIT %s"
_FIRST_SENT = "SELECT min(sent_at) FROM orders_venueordername WHERE venue = %s"
_ADD = """
INSERT INTO orders_venuereportcopy (venue, order_id, exec_id, venue_order_id, cumulative_quantity, report)
SELECT %s, order_id, exec_id, venue_order_id, cumulative_quantity, report
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::numeric[], %s::jsonb[]) WITH ORDINALITY
     AS new(order_id, exec_id, venue_order_id, cumulative_quantity, report, n)
ORDER BY n ON CONFLICT (venue, exec_id) DO NOTHING RETURNING exec_id
"""
_COPIES_OF = """
SELECT report::text, cumulative_quantity FROM orders_venuereportcopy
WHERE venue = %s AND order_id = ANY(%s) ORDER BY id
"""
_AFTER = "SELECT report::text, id FROM orders_venuereportcopy WHERE venue = %s AND id > %s ORDER BY id LIMIT %s"
_LAST_TRADE = """
SELECT (report->>'executed_at')::timestamptz FROM orders_venuereportcopy
WHERE venue = %s AND cumulative_quantity IS NOT NULL ORDER BY id DESC LIMIT 1
"""


_encoder = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical")


class OrderName(msgspec.Struct, frozen=True):
    """A name under which a venue knows an order: number 0 is its own, each replace has one more."""

    name: str
    order_id: UUID
    number: int
    venue_order_id: str | None
    sent_at: datetime
    has_ended: bool


class ReportCopy(msgspec.Struct, frozen=True):
    """A report, and for a trade what the venue's order had filled after it."""

    report: VenueReport
    cumulative: Decimal | None = None


class VenueCopies:
    """Read and write one venue's names and reports, on the calling thread's connection."""

    def __init__(self, venue: str) -> None:
        self.venue = venue

    def names_keep(
        self, names: Sequence[tuple[str, UUID]], *, is_replace: bool, at: datetime
    ) -> dict[str, tuple[OrderName, bool]]:
        """Note that names are about to be told to the venue; return them, and which of them are new."""
        texts, orders = [name for name, _ in names], [order_id for _, order_id in names]
        values = [self.venue, self.venue, at, texts, orders, [is_replace] * len(names)]
        return {row[0]: (OrderName(*row[:6]), row[6]) for row in fetch(_NAME, values)}

    def name_learn(self, name: str, venue_order_id: str) -> None:
        """Note what the venue calls an order."""
        execute(_LEARN, [venue_order_id, self.venue, name])

    def names_end(self, names: Collection[str]) -> None:
        """Note that nothing more is expected under these names."""
        if names:
            execute(_END, [self.venue, list(names)])

    def names_of(self, order_ids: Collection[UUID]) -> list[OrderName]:
        """Return every name of these orders, oldest first."""
        return [OrderName(*row) for row in fetch(_OF_ORDERS, [self.venue, list(order_ids)])]

    def names_called(self, names: Collection[str], venue_order_ids: Collection[str] = ()) -> list[OrderName]:
        """Return the names that we, or the venue, call so."""
        return [OrderName(*row) for row in fetch(_BY_NAME, [self.venue, list(names), list(venue_order_ids)])]

    def orders_named_like(self, pattern: str) -> list[UUID]:
        """Return the orders that the venue calls so, `%` standing for anything."""
        return [row[0] for row in fetch(_LIKE, [self.venue, pattern])]

    def names_open(self, limit: int) -> list[OrderName]:
        """Return the names of which more is expected, those sent first."""
        return [OrderName(*row) for row in fetch(_OPEN, [self.venue, limit])]

    def add(self, copies: Iterable[ReportCopy]) -> list[VenueReport]:
        """Store reports, all or none; return those that were not there yet, in their order."""
        rows = [_row(copy) for copy in copies]
        if not rows:
            return []
        columns = [list(column) for column in zip(*rows, strict=True)]
        with transaction.atomic():
            # One writer at a time, so that nobody reads past a number that is still to be committed.
            fetch("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"copies:{self.venue}"])
            fresh = {row[0] for row in fetch(_ADD, [self.venue, *columns[:5]])}
        return [row[5] for row in rows if row[1] in fresh]

    def of(self, order_ids: Collection[UUID]) -> list[ReportCopy]:
        """Return every report of these orders, in the order of their arrival."""
        rows = fetch(_COPIES_OF, [self.venue, list(order_ids)])
        return [ReportCopy(_report(row[0]), row[1]) for row in rows]

    def reports_of(self, order_ids: Collection[UUID]) -> list[VenueReport]:
        """Return every report of these orders, without what we noted beside."""
        return [copy.report for copy in self.of(order_ids)]

    def after(self, since_id: int, limit: int = PAGE) -> DropCopy:
        """Return a page of the drop copy."""
        rows = fetch(_AFTER, [self.venue, since_id, limit])
        return DropCopy([_report(row[0]) for row in rows], rows[-1][1] if rows else since_id)

    def trades_known_until(self) -> datetime | None:
        """Return when the trade was done that was told last or, without any, the first order sent."""
        rows = fetch(_LAST_TRADE, [self.venue]) or fetch(_FIRST_SENT, [self.venue])
        known: datetime | None = rows[0][0]
        return known


def _row(copy: ReportCopy) -> tuple[UUID, str | None, str, Decimal | None, str, VenueReport]:
    report = copy.report
    return (
        report.order_id, report.exec_id, report.venue_order_id or "", copy.cumulative,
        _encoder.encode(report).decode(), report,
    )  # fmt: skip


def _report(stored: str) -> VenueReport:
    return msgspec.json.decode(stored, type=VenueReport)
