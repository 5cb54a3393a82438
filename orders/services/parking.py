"""Keep what could not be applied, and find it again when it can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from audit.sql import Row, as_json, execute, fetch, fetch_later
from orders.domain.reports import VenueReport
from orders.services.reporting import Incoming, Parked
from trading_portal.kernel.arrays import texts_of
from trading_portal.kernel.ids import uuid7

_PARK = """
INSERT INTO orders_parkedreport (id, venue, order_id, code, report, recorded_at)
SELECT id, %s, order_id, code, report, %s
FROM json_to_recordset(%s::json) AS new(id uuid, order_id uuid, code text, report jsonb)
"""
_APPLIED = "UPDATE orders_parkedreport SET resolved_at = %s WHERE id = ANY(%s)"
# One statement for what was recorded before and for what has waited for it: the second is almost never there.
_RECORDED = """
SELECT exec_id, order_id, NULL::uuid, NULL::jsonb FROM orders_recordedreport
WHERE venue = %(venue)s AND exec_id = ANY(%(ids)s)
UNION ALL
SELECT report ->> 'ref_exec_id', order_id, id, report FROM orders_parkedreport
WHERE venue = %(venue)s AND code = 'EXECUTION_UNKNOWN' AND resolved_at IS NULL
  AND (report ->> 'ref_exec_id') = ANY(%(ids)s)
ORDER BY 3
"""
_WAITING = "SELECT id, venue, report FROM orders_parkedreport WHERE id = ANY(%s) AND resolved_at IS NULL ORDER BY id"
_STATES = "SELECT id, code, resolved_at IS NOT NULL FROM orders_parkedreport WHERE id = ANY(%s)"
_STILL = "SELECT id FROM orders_parkedreport WHERE id = ANY(%s) AND resolved_at IS NULL ORDER BY id FOR UPDATE"


RecordedAndEarly = tuple[dict[str, UUID], dict[str, list[Incoming]]]


def recorded_and_early_later(venue: str, reports: Sequence[VenueReport]) -> Callable[[], RecordedAndEarly]:
    """Ask, inside `pipelined`, which reports were recorded before, and for parked ones that speak of these."""
    ids = [report.exec_id for report in reports if report.exec_id is not None]
    rows = fetch_later(_RECORDED, {"venue": venue, "ids": texts_of(ids)})
    return lambda: _recorded_and_early(rows())


def _recorded_and_early(rows: Iterable[Row]) -> RecordedAndEarly:
    recorded: dict[str, UUID] = {}
    early: dict[str, list[Incoming]] = {}
    for exec_id, order_id, parked_id, report in rows:
        if parked_id is None:
            recorded[exec_id] = order_id
        else:
            early.setdefault(exec_id, []).append(Incoming(report_read(report), uuid7(), parked_id))
    return recorded, early


def parked_waiting(report_ids: Collection[UUID]) -> dict[str, list[Incoming]]:
    """Return parked reports that nobody has dealt with, by venue, in the order they came."""
    found: dict[str, list[Incoming]] = {}
    for parked_id, venue, report in fetch(_WAITING, [list(report_ids)]):
        found.setdefault(venue, []).append(Incoming(report_read(report), uuid7(), parked_id))
    return found


def parked_lock(report_ids: Collection[UUID]) -> set[UUID]:
    """Lock parked reports and return those that still wait; the caller holds the accounts' lock."""
    return {row[0] for row in fetch(_STILL, [list(report_ids)])} if report_ids else set()


def parked_states(report_ids: Collection[UUID]) -> dict[UUID, tuple[str, bool]]:
    """Return why reports were parked, and whether they are dealt with by now."""
    return {row[0]: (row[1], row[2]) for row in fetch(_STATES, [list(report_ids)])}


def report_read(stored: Mapping[str, Any] | str) -> VenueReport:
    """Return a report as it was parked."""
    return msgspec.convert(json.loads(stored) if isinstance(stored, str) else stored, VenueReport)


def reports_park(venue: str, parked: Sequence[Parked], *, at: datetime) -> None:
    """Store reports that could not be applied, raw."""
    if parked:
        execute(_PARK, [venue, at, as_json([_row(each) for each in parked])])


def parked_applied(report_ids: Sequence[UUID], *, at: datetime) -> None:
    """Note that parked reports were applied after all."""
    if report_ids:
        execute(_APPLIED, [at, list(report_ids)])


def _row(parked: Parked) -> dict[str, object]:
    return {
        "id": parked.id,
        "order_id": parked.order.facts.id if parked.order else None,
        "code": parked.why.code,
        "report": {**msgspec.to_builtins(parked.report), "why": parked.why.as_dict()},
    }
