"""Work orders over several venues: share them out, follow every part, send elsewhere what a venue does not do.

One thread only. What a turn decides is stored before anything of it is sent; a part is sent again after a restart, and
its venue knows it by its id. Never is more on its way than the order has left: what a slow venue holds goes elsewhere
only once that venue has let it go, or has never heard of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from orders.brokers.protocol import VenueOrder
from orders.brokers.smart.desk import Desk
from orders.brokers.smart.following import Following
from orders.brokers.smart.intake import Intake, Message
from orders.brokers.smart.sharing import Sharing
from orders.brokers.smart.store import SmartStore, Turn
from orders.brokers.smart.views import Views
from orders.brokers.smart.working import SLOW_SECONDS, Child, ChildState
from orders.domain.reports import VenueReport

WAIT_SECONDS = 0.005


class Router:
    """Hold the orders that one router works; `turn` does what is due and says what is to be sent."""

    def __init__(self, store: SmartStore, views: Views, venues: Iterable[str], ask_working_seconds: float) -> None:
        self._desk = Desk(store, views, venues, ask_working_seconds)
        self._intake = Intake(self._desk)
        self._following = Following(self._desk)
        self._sharing = Sharing(self._desk)

    def load(self, at: datetime, monotonic: float) -> Turn:
        """Hold what the tables have; what was on its way goes again, and about all of it the venues are asked."""
        desk = self._desk
        desk.clear()
        for parent in desk.store.working():
            desk.hold(parent, at)
            desk.due[parent.id] = parent
            for child in parent.live:
                if child.state is ChildState.SENT:
                    desk.send(child, monotonic)
                elif child.state is ChildState.CANCELING:
                    desk.turn.cancels.append(child)
                desk.ask_later(child, monotonic)
        return desk.turn

    def turn(
        self, messages: Sequence[Message], reports: Sequence[VenueReport], *, at: datetime, monotonic: float
    ) -> Turn:
        """Do what is due, store it in one transaction and return what it leads to.

        An exception leaves the memory behind the tables: `load` before the next turn.
        """
        desk, turn = self._desk, Turn()
        desk.turn = turn
        self._sharing.begin()
        self._recall(messages, reports, at)
        for message in messages:
            self._intake.take(message, at)
        for report in reports:
            self._following.reported(report, monotonic)
        self._following.look_at_slow(monotonic)
        self._following.ask_due(monotonic)
        self._following.on_time(at)
        for parent in desk.due.values():
            self._sharing.go_on(parent, at, monotonic)
        desk.due.clear()
        self._sharing.go_on_waiting(at, monotonic)
        if turn.parents or turn.children or turn.decisions or turn.reports:
            desk.store.write(turn)
        desk.forget(turn)
        return turn

    def rest_seconds(self, at: datetime, monotonic: float) -> float | None:
        """Return how long nothing is due; None: until somebody says something."""
        desk = self._desk
        rests = [SLOW_SECONDS - (monotonic - desk.unanswered[0][0])] if desk.unanswered else []
        rests += [desk.asks[0][0] - monotonic] if desk.asks else []
        rests += [(desk.timed[0][0] - at).total_seconds()] if desk.timed else []
        rests += [WAIT_SECONDS] if desk.waiting else []
        return max(min(rests), 0.0) if rests else None

    def venue_order(self, child: Child) -> VenueOrder:
        """Return a part as its venue is told of it."""
        return self._desk.venue_order(child)

    def call_failed(self, venue: str, monotonic: float, cause: str) -> None:
        """Note that a call to a venue broke: what was sent with it is in doubt, and is asked about."""
        self._desk.health[venue].failed(monotonic, cause)

    def _recall(self, messages: Sequence[Message], reports: Sequence[VenueReport], at: datetime) -> None:
        """Hold again those done orders that are spoken of."""
        desk = self._desk
        asked = {message.order_id for message in messages} - desk.parents.keys()
        late = {report.order_id for report in reports} - desk.owner.keys()
        for parent in [*desk.store.known(asked), *desk.store.parents_of(late)]:
            if parent.id not in desk.parents:
                desk.hold(parent, at)
