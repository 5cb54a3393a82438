"""What order services raise."""

from __future__ import annotations

from accounts.domain.rates import RateAnswer
from orders.domain.reasons import sentence
from trading_portal.kernel.errors import Conflict, Forbidden, PortalError, Reason, reason


class LeaseLost(Conflict):
    """Say that another worker speaks to the venue now: whoever gets this must stop at once."""

    def __init__(self, venue: str, fence: int) -> None:
        super().__init__(
            reason("VENUE_LEASE_LOST", venue=venue, fence=fence),
            f"Lease {fence} of the venue {venue} is no longer held.",
        )


class KeyNotAccepted(PortalError):
    """Say that an API key or its secret is wrong, expired or revoked."""

    status = 401

    def __init__(self) -> None:
        super().__init__(reason("KEY_NOT_ACCEPTED"), sentence("KEY_NOT_ACCEPTED", {}))


class KeyForbidden(Forbidden):
    """Say that an API key may not trade, or not from there."""

    def __init__(self, why: Reason) -> None:
        super().__init__(why, sentence(why.code, why.facts))


class RateLimited(PortalError):
    """Say that an API key sent too many orders; `rate` says when it may again."""

    status = 429

    def __init__(self, rate: RateAnswer) -> None:
        why = reason("RATE_LIMITED", retry_after=rate.wait_seconds)
        super().__init__(why, sentence(why.code, why.facts))
        self.rate = rate
