"""Note what comparing with a venue has shown."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audit.services import events_append
from audit.sql import execute
from orders.domain.venue_events import GapClosed
from orders.services.breaking import venue_event
from orders.services.leasing import lease_require

_COMPARED = "UPDATE orders_venuelease SET drop_copy_id = %s WHERE venue = %s AND fence = %s AND drop_copy_id < %s"


def drop_copy_compared(*, venue: str, fence: int, up_to: int) -> None:
    """Note that every report of a venue's drop copy up to this one is recorded; a lost lease notes nothing."""
    execute(_COMPARED, [up_to, venue, fence, up_to])


def gap_closed_tell(*, venue: str, fence: int, reports: int, at: datetime) -> None:
    """Tell the venue's stream that reports which had not come were found by comparing. Raise LeaseLost."""
    with transaction.atomic():
        lease_require(venue=venue, fence=fence)
        events_append(events=[venue_event(venue, GapClosed(venue=venue, reports=reports), at)], at=at)
