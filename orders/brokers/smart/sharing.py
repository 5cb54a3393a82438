"""Decide where the parts of orders go, and when an order is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from orders.brokers.protocol import VenueReplace
from orders.brokers.smart.desk import Desk
from orders.brokers.smart.store import DecisionMade
from orders.brokers.smart.working import Child, Parent, ParentState
from orders.domain.reports import ReportKind, RouteTold, VenueReport
from orders.domain.routing import RouteDecision, Slice, VenueView, displayed, route
from orders.domain.types import TimeInForce
from positions.domain.types import Side
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import ZERO

MOST_CHILDREN = 2_000


class Sharing:
    """Share orders out over the venues as they look in this turn."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seen_now: dict[tuple[str, Side], Sequence[VenueView]] = {}
        self._is_full = False

    def begin(self) -> None:
        """Look at the venues anew."""
        self._seen_now.clear()
        self._is_full = False

    def go_on(self, parent: Parent, at: datetime, monotonic: float) -> None:
        """Send what should be at a venue and is not; end what is over; leave waiting what nobody takes now."""
        is_over = parent.state is ParentState.DONE or self._finished(parent, at)
        stops = parent.ask is not None or parent.end(at) is not None
        if stops and not is_over:
            self._desk.take_back(parent, monotonic)
        wanted = ZERO if is_over or stops else parent.unplaced(at)
        if wanted and len(parent.children) >= MOST_CHILDREN:
            parent.given_up = "NO_VENUE_FILLS_IT"
            self._desk.take_back(parent, monotonic)
            self._finished(parent, at)
            wanted = ZERO
        if wanted and (self._is_full or not self._share_out(parent, wanted, at, monotonic)):
            self._desk.waiting[parent.id] = parent
        else:
            self._desk.waiting.pop(parent.id, None)

    def go_on_waiting(self, at: datetime, monotonic: float) -> None:
        """Go on with the orders that wait for room, for as long as there is any."""
        for parent in list(self._desk.waiting.values()):
            if self._is_full:
                return
            self.go_on(parent, at, monotonic)

    def _share_out(self, parent: Parent, wanted: Decimal, at: datetime, monotonic: float) -> bool:
        """Decide and send; tell whether everything wanted has found its place, or never will."""
        order = parent.order
        shown = self._shown(order.symbol, order.side, at)
        views = [self._desk.health[view.venue].view(view, monotonic) for view in shown]
        decision = self._decide(parent, wanted, views)
        if decision.slices:
            self._decided(parent, wanted, decision, at)
            for each in decision.slices:
                self._new_child(parent, each, at, monotonic)
            return parent.is_immediate or not decision.unplaced
        self._is_full = not any(health.has_room(monotonic) for health in self._desk.health.values())
        # Who must wait for room is not refused: a venue that answers makes room for the next in a moment.
        may_get_room = any(not self._desk.health[view.venue].is_away(monotonic) for view in shown)
        if parent.is_immediate and not (may_get_room and all(view.is_broken for view in views)):
            parent.given_up = "NOT_FILLABLE_AT_ONCE"
            return self._finished(parent, at)
        return False

    def _decide(self, parent: Parent, wanted: Decimal, views: Sequence[VenueView]) -> RouteDecision:
        side, limit_price, lot = parent.order.side, parent.limit_price, parent.lot
        if parent.time_in_force is not TimeInForce.FOK:
            return route(
                side=side, quantity=wanted, limit_price=limit_price, lot=lot, views=views,
                is_resting=not parent.is_immediate,
            )  # fmt: skip
        # Two venues cannot promise to fill all of it or none.
        whole = (v for v in views if displayed(side=side, limit_price=limit_price, lot=lot, views=[v]) >= wanted)
        slices = tuple(Slice(view.venue, wanted) for view in whole)[:1]
        return RouteDecision(slices=slices, views=tuple(views), unplaced=ZERO if slices else wanted)

    def _shown(self, symbol: str, side: Side, at: datetime) -> Sequence[VenueView]:
        """Return what the venues display; looked at once a turn."""
        if (symbol, side) not in self._seen_now:
            self._seen_now[symbol, side] = self._desk.views.views(symbol, side, at)
        return self._seen_now[symbol, side]

    def _decided(self, parent: Parent, wanted: Decimal, decision: RouteDecision, at: datetime) -> None:
        cause = "first" if not parent.children else "step" if parent.steps else "rerouted"
        made = DecisionMade(uuid7(), parent.id, wanted, decision, cause, at)
        self._desk.turn.touch(parent)
        self._desk.turn.decisions.append(made)
        self._desk.turn.reports.append(
            VenueReport(
                venue=self._desk.store.name,
                kind=ReportKind.STATUS,
                order_id=parent.id,
                venue_order_id=str(parent.id),
                exec_id=str(made.id),
                reason=cause,
                route=RouteTold(quantity=wanted, slices=decision.slices, views=decision.views),
                executed_at=at,
            )
        )

    def _new_child(self, parent: Parent, part: Slice, at: datetime, monotonic: float) -> None:
        child = Child(uuid7(), parent.id, part.venue, parent.time_in_force, part.quantity, parent.limit_price, at)
        parent.children[child.id] = child
        self._desk.owner[child.id] = parent.id
        self._desk.turn.touch(parent, child)
        self._desk.send(child, monotonic)

    def _finished(self, parent: Parent, at: datetime) -> bool:
        """End an order of which nothing works any more; tell whether it is over."""
        if parent.live:
            return False
        if parent.ask is not None:
            self._answer_ask(parent, parent.ask, at)
        if not parent.leaves:
            parent.state = ParentState.DONE
            self._desk.turn.touch(parent)
            return True
        end = parent.end(at)
        if end is None:
            return False
        parent.state = ParentState.DONE
        self._desk.turn.touch(parent)
        self._desk.tell(parent.id, end[0], at, reason=end[1])
        return True

    def _answer_ask(self, parent: Parent, asked: VenueReplace, at: datetime) -> None:
        """Take the new terms on, now that nothing works under the old ones."""
        parent.ask = None
        self._desk.turn.touch(parent)
        if not parent.leaves and asked.quantity <= parent.filled:
            self._desk.tell(parent.id, ReportKind.REPLACE_REJECTED, at, reason="TOO_LATE", request_id=asked.request_id)
            return
        parent.quantity = max(asked.quantity, parent.filled)
        parent.limit_price, parent.time_in_force = asked.limit_price, asked.time_in_force
        self._desk.tell(
            parent.id, ReportKind.REPLACED, at, request_id=asked.request_id, quantity=parent.quantity,
            price=asked.limit_price,
        )  # fmt: skip
