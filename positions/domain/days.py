"""Say where a day begins."""

from __future__ import annotations

from datetime import UTC, date, datetime


def day_of(at: datetime) -> date:
    """Return the day an instant belongs to: days begin at 00:00 UTC, for every instrument (policy).

    Prices trade round the clock here, so there is one day for cash, equities and crypto alike.
    """
    return at.astimezone(UTC).date()
