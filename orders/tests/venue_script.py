"""How a test makes a venue act, and what a venue cannot do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import pytest

from orders.brokers.protocol import BrokerAdapter, VenueOrder

SECONDS = 10
Levels = Sequence[tuple[str, str]]


class Ability(StrEnum):
    """What a venue may be unable to do, or its script to bring about."""

    MARKET = "trade against a market that the test shows"
    REPLACE = "replace an order"
    CANCEL_UNASKED = "end an order without having been asked"
    REFUSE_CANCEL = "refuse a cancel and work on"
    REFUSE_REPLACE = "refuse a replace and work on"
    FILL_LATE = "report a fill of an order that has ended"
    FILL_EARLY = "report a fill before the acknowledgement"
    BUST = "take a fill back"
    CORRECT = "correct a fill"
    REPEAT = "report something twice"
    CUT = "lose its line and get it back"
    LOSE_ANSWER = "lose the answer to a message it got"
    LOSE_MESSAGE = "lose a message on the way"


class VenueScript(Protocol):
    """Make a venue act. Each verb returns when the venue has acted; `lacks` names the verbs that are left out.

    An order that is sent away from the market (to buy at 90) rests until `fill` or `cancel_unasked` is called.
    """

    symbol: str
    lacks: Mapping[Ability, str]

    def adapter(self) -> BrokerAdapter:
        """Return a new adapter to the same venue."""
        ...

    def fill(self, order: VenueOrder, quantity: str, price: str) -> None:
        """Let an order trade, resting (always), or ended (FILL_LATE)."""
        ...

    def show(self, *, bids: Levels, asks: Levels) -> None:
        """Show a market (MARKET)."""
        ...

    def cancel_unasked(self, order: VenueOrder) -> None:
        """End an order (CANCEL_UNASKED)."""
        ...

    def refuse_cancel(self) -> None:
        """Refuse the next cancel (REFUSE_CANCEL)."""
        ...

    def refuse_replace(self) -> None:
        """Refuse the next replace (REFUSE_REPLACE)."""
        ...

    def fill_early(self, quantity: str, price: str) -> None:
        """Let the next order trade before it is acknowledged (FILL_EARLY)."""
        ...

    def bust(self, order: VenueOrder) -> None:
        """Take the last fill of an order back (BUST)."""
        ...

    def correct(self, order: VenueOrder, quantity: str, price: str) -> None:
        """Correct the last fill of an order (CORRECT)."""
        ...

    def repeat(self, order: VenueOrder) -> None:
        """Report the last report of an order once more (REPEAT)."""
        ...

    def cut(self) -> None:
        """Cut every line to the venue, and let none be made (CUT)."""
        ...

    def mend(self) -> None:
        """Let lines be made again (CUT)."""
        ...

    def lose_answer(self) -> None:
        """Take the next order, and let the answer to it and what is reported of it be lost (LOSE_ANSWER)."""
        ...

    def lose_message(self) -> None:
        """Let the next order not arrive (LOSE_MESSAGE)."""
        ...


def needs(script: VenueScript, *abilities: Ability) -> None:
    """Leave a test out whose abilities the script's venue lacks, and say why."""
    for ability in abilities:
        if ability in script.lacks:
            pytest.skip(f"the venue cannot {ability.value}: {script.lacks[ability]}")
