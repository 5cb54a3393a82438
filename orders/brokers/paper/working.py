"""What a paper venue holds of an order besides its place in the book, and what one turn of the venue changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from orders.brokers.paper.bookorder import BookOrder
from orders.domain.reports import VenueReport

OPEN = "open"


class Pause(StrEnum):
    """Say why an open order may not trade now.

    A scenario goes on after an order was reported as filled or canceled; until it is over the order stays open here.
    """

    NONE = ""
    SUSPENDED = "suspended"
    DONE_FOR_DAY = "done_for_day"
    AUCTION = "auction"
    SCRIPTED = "scripted"
    FILLED = "filled"
    CANCELED = "canceled"


REPORTED_ENDED = frozenset((Pause.FILLED, Pause.CANCELED))


@dataclass(slots=True)
class Working:
    """An order of the venue with what the book does not need: its state, why it pauses, and when something is due.

    `acts_at` is the opening or close that it waits for, `step_at` when its scenario goes on.
    """

    order: BookOrder
    received_at: datetime
    expires_at: datetime | None
    state: str = OPEN
    pause: Pause = Pause.NONE
    scenario: str = ""
    step: int = 0
    step_at: datetime | None = None
    acts_at: datetime | None = None


@dataclass(slots=True)
class Turn:
    """Gather what one turn of the venue changes, to be written in one transaction.

    `changed` orders were filled or ended; `restated` ones have other terms as well. `repeated` reports were stored
    before, or are reported twice.
    """

    new: dict[UUID, Working] = field(default_factory=dict)
    changed: dict[UUID, Working] = field(default_factory=dict)
    restated: dict[UUID, Working] = field(default_factory=dict)
    reports: list[VenueReport] = field(default_factory=list)
    repeated: list[VenueReport] = field(default_factory=list)
    last_report_id: int = 0

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to write."""
        return not (self.new or self.changed or self.restated or self.reports)
