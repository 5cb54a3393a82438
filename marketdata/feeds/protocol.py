"""What every feed adapter does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from marketdata.domain.types import FeedEvent


class FeedAdapter(Protocol):
    """A source of prices, asked for news several times a second.

    A live feed confirms standing quotes with FeedHeartbeat; one that says nothing lets its prices go stale.
    """

    name: str
    symbols: tuple[str, ...]

    def start(self, at: datetime) -> None:
        """Begin; raise a PortalError with a clear sentence when it cannot."""
        ...

    def poll(self, at: datetime) -> Sequence[FeedEvent]:
        """Return what happened since the last poll, oldest first, without waiting."""
        ...

    def stop(self) -> None:
        """End; release what is held."""
        ...
