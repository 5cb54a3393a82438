"""Note what comparing with a venue has shown."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from audit.services import events_append
from audit.sql import execute
from orders.domain.venue_events import GapClosed
from orders.services.breaking import venue_event
from orders.services.leasing import lease_require

_AGAIN = "UPDATE orders_venueintent SET state = 'due', due_at = %s WHERE id = ANY(%s) AND venue = %s AND state = 'sent'"
_COMPARED = "UPDATE orders_venuelease SET drop_copy_id = %s WHERE venue = %s AND fence = %s AND drop_copy_id < %s"


def intents_send_again(*, venue: str, fence: int | None, intent_ids: Collection[int], at: datetime) -> int:
    """Make messages due again that the venue says it never got; return how many. Raise LeaseLost."""
    with transaction.atomic():
        lease_require(venue=venue, fence=fence)
        return execute(_AGAIN, [at, list(intent_ids), venue])


def drop_copy_compared(*, venue: str, fence: int, up_to: int) -> None:
    """Note that every report of a venue's drop copy up to this one is recorded; a lost lease notes nothing."""
    execute(_COMPARED, [up_to, venue, fence, up_to])


def gap_closed_tell(*, venue: str, fence: int, reports: int, at: datetime) -> None:
    """Tell the venue's stream that reports which had not come were found by comparing. Raise LeaseLost."""
    with transaction.atomic():
        lease_require(venue=venue, fence=fence)
        events_append(events=[venue_event(venue, GapClosed(venue=venue, reports=reports), at)], at=at)
