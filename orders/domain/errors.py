"""What order services raise."""

from __future__ import annotations

from trading_portal.kernel.errors import Conflict, reason


class LeaseLost(Conflict):
    """Say that another worker speaks to the venue now: whoever gets this must stop at once."""

    def __init__(self, venue: str, fence: int) -> None:
        super().__init__(
            reason("VENUE_LEASE_LOST", venue=venue, fence=fence),
            f"Lease {fence} of the venue {venue} is no longer held.",
        )
