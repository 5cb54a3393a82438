"""Who is let in: what a request with an API key shows and takes, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from accounts.domain.rates import RateAnswer, RateRequest
from accounts.domain.types import KeyGrant, KeyReading
from trading_portal.kernel.errors import Reason

Charge = Callable[[KeyGrant], RateRequest]


@dataclass(frozen=True, slots=True)
class Call:
    """A request with an API key from an address, for a scope; without a charge it is never refused for its rate."""

    credentials: tuple[str, str]
    address: str
    scope: str
    charge: Charge | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of a call: its key is not known, may not do this from there (`why`), is over its rate, or may."""

    reading: KeyReading | None
    why: Reason | None = None
    rate: RateAnswer | None = None

    @property
    def is_let_in(self) -> bool:
        """Tell whether the call may be answered."""
        return self.reading is not None and self.why is None and (self.rate is None or self.rate.is_allowed)
