"""Apply parked reports again, once a person has seen to what they lacked."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction

from audit.domain.types import Actor
from audit.services import events_append
from orders.domain.venue_events import ParkedReapplied
from orders.services.breaking import venue_event
from orders.services.executions import reports_apply
from orders.services.parking import parked_states, parked_waiting


def parked_reports_apply(*, report_ids: Collection[UUID], by: Actor, at: datetime) -> tuple[int, int]:
    """Apply parked reports as if they came now, and return how many were, and how many still cannot be.

    Each venue's are one transaction, in the order they came. What still cannot be applied stays parked; doing this
    again is harmless. The log tells who asked for it.
    """
    applied, left = 0, 0
    for venue, incoming in parked_waiting(report_ids).items():
        with transaction.atomic():
            reports_apply(venue, incoming, at)
            done = parked_states([each.parked_id for each in incoming if each.parked_id])
            events_append(
                events=[
                    venue_event(
                        venue,
                        ParkedReapplied(venue=venue, parked_report_id=str(key), code=code, is_applied=is_applied),
                        at,
                        by=by,
                    )
                    for key, (code, is_applied) in done.items()
                ],
                at=at,
            )
        applied += sum(is_applied for _, is_applied in done.values())
        left += sum(not is_applied for _, is_applied in done.values())
    return applied, left
