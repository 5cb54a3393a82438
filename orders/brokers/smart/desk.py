"""What a router has on its desk: the orders it works, what their venues owe, and what this turn has changed."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from orders.brokers.protocol import VenueOrder
from orders.brokers.smart.store import SmartStore, Turn
from orders.brokers.smart.views import Views
from orders.brokers.smart.working import Child, ChildState, Health, Parent, ParentState
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.schedules import next_due_at
from trading_portal.kernel.ids import uuid7

ASK_SECONDS = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
ASK_WORKING_SECONDS = 30.0


class Desk:
    """Hold what the parts of a router share.

    `due` are the orders that something happened to in this turn; `waiting` those for which no venue had room, the
    first first. About a part that works its venue is asked every `ask_working_seconds`: a report may have been lost.
    """

    def __init__(self, store: SmartStore, views: Views, venues: Iterable[str], ask_working_seconds: float) -> None:
        self._ask_working_seconds = ask_working_seconds
        self.store = store
        self.views = views
        self.health = {venue: Health(venue) for venue in venues}
        self.parents: dict[UUID, Parent] = {}
        self.owner: dict[UUID, UUID] = {}
        self.due: dict[UUID, Parent] = {}
        self.waiting: dict[UUID, Parent] = {}
        self.unanswered: deque[tuple[float, Child]] = deque()
        self.asks: list[tuple[float, int, Child]] = []
        self.timed: list[tuple[datetime, int, UUID]] = []
        self.count = 0
        self.turn = Turn()

    def clear(self) -> None:
        """Hold nothing."""
        for held in (self.parents, self.owner, self.due, self.waiting, self.unanswered, self.asks, self.timed):
            held.clear()
        for health in self.health.values():
            health.unanswered = 0
        self.turn = Turn()

    def hold(self, parent: Parent, at: datetime) -> None:
        """Take an order up."""
        if not parent.lot:
            parent.lot = self.views.lots([parent.order.symbol], at).get(parent.order.symbol, Decimal(1))
        self.parents[parent.id] = parent
        self.owner.update((child_id, parent.id) for child_id in parent.children)
        if parent.state is ParentState.WORKING:
            self.set_timer(parent, at)

    def set_timer(self, parent: Parent, at: datetime) -> None:
        """Remember when the order is due next."""
        due = [each for each in (next_due_at(parent.steps, at), parent.ends_at) if each is not None and each > at]
        if due:
            self.count += 1
            heapq.heappush(self.timed, (min(due), self.count, parent.id))

    def tell(
        self, order_id: UUID, kind: ReportKind, at: datetime, *, reason: str = "", request_id: UUID | None = None,
        quantity: Decimal | None = None, price: Decimal | None = None,
    ) -> None:  # fmt: skip
        """Report something of our own."""
        self.turn.reports.append(
            VenueReport(
                venue=self.store.name,
                kind=kind,
                order_id=order_id,
                venue_order_id=str(order_id),
                exec_id=str(uuid7()),
                request_id=request_id,
                quantity=quantity,
                price=price,
                reason=reason,
                executed_at=at,
            )
        )

    def take_back(self, parent: Parent, monotonic: float) -> None:
        """Ask for every part back; each is answered before anything else is done with what it has left."""
        for child in parent.live:
            self.recall_child(parent, child, monotonic)

    def recall_child(self, parent: Parent, child: Child, monotonic: float) -> None:
        """Ask for one part back, until it is answered."""
        if child.state is not ChildState.CANCELING:
            child.state = ChildState.CANCELING
            self.turn.touch(parent, child)
            self.turn.cancels.append(child)
            self.ask_later(child, monotonic)

    def send(self, child: Child, monotonic: float) -> None:
        """Send a part to its venue."""
        child.sent_mono = monotonic
        self.health[child.venue].unanswered += 1
        self.unanswered.append((monotonic, child))
        self.turn.submits.append(child)

    def ask_later(self, child: Child, monotonic: float) -> None:
        """Ask about a part, later each time while it is in doubt; this takes the place of an asking already planned."""
        self.count += 1
        if child.state is ChildState.OPEN:
            wait, child.asked = self._ask_working_seconds, 0
        else:
            wait = ASK_SECONDS[min(child.asked, len(ASK_SECONDS) - 1)]
            child.asked += 1
        child.ask_mono = monotonic + wait
        heapq.heappush(self.asks, (child.ask_mono, self.count, child))

    def forget(self, turn: Turn) -> None:
        """Let go of what is done; a late report finds it again in the tables."""
        for parent in turn.parents.values():
            if parent.state is ParentState.DONE:
                self.parents.pop(parent.id, None)
                for child_id in parent.children:
                    self.owner.pop(child_id, None)

    def venue_order(self, child: Child) -> VenueOrder:
        """Return a part as its venue is told of it."""
        order = self.parents[child.parent_id].order
        return VenueOrder(
            order_id=child.id,
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            time_in_force=child.time_in_force,
            quantity=child.quantity,
            limit_price=child.limit_price,
            expires_at=order.expires_at,
            extended_hours=order.extended_hours,
            account_id=order.account_id,
        )
