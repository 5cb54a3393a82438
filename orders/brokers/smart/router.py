"""Work orders over several venues: share them out, follow every part, send elsewhere what a venue does not do.

One thread only. What a turn decides is stored before anything of it is sent; a part is sent again after a restart, and
its venue knows it by its id. Never is more on its way than the order has left: what a slow venue holds goes elsewhere
only once that venue has let it go, or has never heard of it.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from orders.brokers.protocol import VenueCancel, VenueOrder, VenueReplace
from orders.brokers.smart.store import DecisionMade, SmartStore, Turn
from orders.brokers.smart.views import Views
from orders.brokers.smart.working import SLOW_SECONDS, Child, ChildState, Health, Parent, ParentState
from orders.domain.reports import ReportKind, RouteTold, VenueReport
from orders.domain.routing import RouteDecision, Slice, VenueView, displayed, route
from orders.domain.schedules import Step, next_due_at, steps_of
from orders.domain.types import Algorithm, OrderType, TimeInForce
from positions.domain.types import Side
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import ZERO

Message = VenueOrder | VenueCancel | VenueReplace
SUPPORTED = (OrderType.MARKET, OrderType.LIMIT)
ASK_SECONDS = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
WAIT_SECONDS = 0.005
DEFAULT_LENGTH = timedelta(minutes=30)
MOST_CHILDREN = 2_000
_ENDS = {
    ReportKind.CANCELED: "canceled",
    ReportKind.REJECTED: "rejected",
    ReportKind.EXPIRED: "expired",
    ReportKind.STATUS_UNKNOWN_ORDER: "never_heard",
}
_BAD_ANSWERS = (ReportKind.REJECTED, ReportKind.STATUS_UNKNOWN_ORDER)


class Router:
    """Hold the orders that one router works; `turn` does what is due and says what is to be sent."""

    def __init__(self, store: SmartStore, views: Views, venues: Iterable[str]) -> None:
        self.store = store
        self._views = views
        self.health = {venue: Health(venue) for venue in venues}
        self._parents: dict[UUID, Parent] = {}
        self._owner: dict[UUID, UUID] = {}
        self._waiting: dict[UUID, Parent] = {}
        self._unanswered: deque[tuple[float, Child]] = deque()
        self._asks: list[tuple[float, int, Child]] = []
        self._timed: list[tuple[datetime, int, UUID]] = []
        self._seen_now: dict[tuple[str, Side], Sequence[VenueView]] = {}
        self._count = 0
        self._turn = Turn()

    # What a turn is made of

    def load(self, at: datetime, monotonic: float) -> Turn:
        """Hold what the tables have; what was on its way goes again, and about all of it the venues are asked."""
        self._parents.clear()
        self._owner.clear()
        self._waiting.clear()
        self._unanswered.clear()
        self._asks.clear()
        self._timed.clear()
        for health in self.health.values():
            health.unanswered = 0
        self._turn = Turn()
        for parent in self.store.working():
            self._hold(parent, at)
            self._waiting[parent.id] = parent
            for child in parent.live:
                if child.state is ChildState.SENT:
                    self._send(child, monotonic)
                elif child.state is ChildState.CANCELING:
                    self._turn.cancels.append(child)
                self._ask_later(child, monotonic)
        return self._turn

    def turn(
        self, messages: Sequence[Message], reports: Sequence[VenueReport], *, at: datetime, monotonic: float
    ) -> Turn:
        """Do what is due, store it in one transaction and return what it leads to.

        An exception leaves the memory behind the tables: `load` before the next turn.
        """
        self._turn = Turn()
        self._seen_now.clear()
        self._recall(messages, reports, at)
        for message in messages:
            self._take(message, at)
        for report in reports:
            self._reported(report, at, monotonic)
        self._look_at_slow(at, monotonic)
        self._ask_due(monotonic)
        self._on_time(at)
        for parent in list(self._waiting.values()):
            self._go_on(parent, at, monotonic)
        turn = self._turn
        if turn.parents or turn.children or turn.decisions or turn.reports:
            self.store.write(turn)
        self._forget(turn)
        return turn

    def rest_seconds(self, at: datetime, monotonic: float) -> float | None:
        """Return how long nothing is due; None: until somebody says something."""
        rests = [SLOW_SECONDS - (monotonic - self._unanswered[0][0])] if self._unanswered else []
        rests += [self._asks[0][0] - monotonic] if self._asks else []
        rests += [(self._timed[0][0] - at).total_seconds()] if self._timed else []
        rests += [WAIT_SECONDS] if self._waiting else []
        return max(min(rests), 0.0) if rests else None

    def venue_order(self, child: Child) -> VenueOrder:
        """Return a part as its venue is told of it."""
        order = self._parents[child.parent_id].order
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

    def call_failed(self, venue: str, monotonic: float, cause: str) -> None:
        """Note that a call to a venue broke: what was sent with it is in doubt, and is asked about."""
        self.health[venue].failed(monotonic, cause)

    # What the portal asks

    def _recall(self, messages: Sequence[Message], reports: Sequence[VenueReport], at: datetime) -> None:
        """Hold again those done orders that are spoken of."""
        asked = {message.order_id for message in messages} - self._parents.keys()
        late = {report.order_id for report in reports} - self._owner.keys()
        for parent in [*self.store.known(asked), *self.store.parents_of(late)]:
            if parent.id not in self._parents:
                self._hold(parent, at)

    def _hold(self, parent: Parent, at: datetime) -> None:
        if not parent.lot:
            parent.lot = self._views.lots([parent.order.symbol], at).get(parent.order.symbol, Decimal(1))
        self._parents[parent.id] = parent
        self._owner.update((child_id, parent.id) for child_id in parent.children)
        if parent.state is ParentState.WORKING:
            self._set_timer(parent, at)

    def _take(self, message: Message, at: datetime) -> None:
        parent = self._parents.get(message.order_id)
        if isinstance(message, VenueOrder):
            self._begin(message, at) if parent is None else self._repeat(parent)
        elif parent is None:
            is_cancel = isinstance(message, VenueCancel)
            kind = ReportKind.CANCEL_REJECTED if is_cancel else ReportKind.REPLACE_REJECTED
            request_id = None if isinstance(message, VenueCancel) else message.request_id
            self._tell(message.order_id, kind, at, reason="UNKNOWN_ORDER", request_id=request_id)
        elif isinstance(message, VenueCancel):
            self._cancel(parent, at)
        else:
            self._replace(parent, message, at)

    def _begin(self, order: VenueOrder, at: datetime) -> None:
        lot = self._views.lots([order.symbol], at).get(order.symbol)
        steps, ends_at = self._timetable(order, lot, at)
        parent = Parent(
            order, at, order.quantity, order.limit_price, order.time_in_force, lot or Decimal(1), steps, ends_at
        )
        self._parents[parent.id] = parent
        self._turn.touch(parent)
        if order.order_type not in SUPPORTED or lot is None:
            parent.state = ParentState.DONE
            why = "TYPE_NOT_SUPPORTED" if lot else "UNKNOWN_SYMBOL"
            self._tell(parent.id, ReportKind.REJECTED, at, reason=why)
            return
        self._tell(parent.id, ReportKind.NEW, at)
        self._set_timer(parent, at)
        self._waiting[parent.id] = parent

    def _timetable(
        self, order: VenueOrder, lot: Decimal | None, at: datetime
    ) -> tuple[tuple[Step, ...], datetime | None]:
        """Return the steps of an order that is worked over time, and its end; none for one that is sent at once."""
        plan = order.schedule
        if plan is None or lot is None:
            return (), None
        starts_at = max(plan.starts_at or at, at)
        ends_at = plan.ends_at if plan.ends_at and plan.ends_at > starts_at else starts_at + DEFAULT_LENGTH
        is_vwap = plan.algorithm is Algorithm.VWAP
        volumes = self._views.volumes(order.symbol, starts_at, ends_at) if is_vwap else ()
        steps = steps_of(
            quantity=order.quantity, lot=lot, starts_at=starts_at, ends_at=ends_at, slices=plan.slices, volumes=volumes
        )
        return tuple(steps), ends_at

    def _repeat(self, parent: Parent) -> None:
        self._turn.repeated += self.store.copies.reports_of([parent.id])

    def _cancel(self, parent: Parent, at: datetime) -> None:
        if parent.state is ParentState.DONE:
            past = [r for r in self.store.copies.reports_of([parent.id]) if r.kind is ReportKind.CANCELED]
            if past:
                self._turn.repeated.append(past[-1])
            else:
                self._tell(parent.id, ReportKind.CANCEL_REJECTED, at, reason="TOO_LATE")
            return
        parent.is_cancel_asked = True
        self._turn.touch(parent)
        self._take_back(parent)
        self._waiting[parent.id] = parent

    def _replace(self, parent: Parent, asked: VenueReplace, at: datetime) -> None:
        known = [r for r in self.store.copies.reports_of([parent.id]) if r.request_id == asked.request_id]
        if known:
            self._turn.repeated += known
            return
        if parent.state is ParentState.DONE or parent.is_cancel_asked or parent.steps or parent.ask is not None:
            if parent.ask is None or parent.ask.request_id != asked.request_id:
                why = "TOO_LATE" if parent.state is ParentState.DONE else "NOT_NOW"
                self._tell(parent.id, ReportKind.REPLACE_REJECTED, at, reason=why, request_id=asked.request_id)
            return
        parent.ask = asked
        self._turn.touch(parent)
        self._take_back(parent)
        self._waiting[parent.id] = parent

    def _take_back(self, parent: Parent) -> None:
        """Ask for every part back; each is answered before anything else is done with what it has left."""
        for child in parent.live:
            self._recall_child(parent, child)

    def _recall_child(self, parent: Parent, child: Child) -> None:
        if child.state is not ChildState.CANCELING:
            child.state = ChildState.CANCELING
            self._turn.touch(parent, child)
            self._turn.cancels.append(child)

    # What venues report

    def _reported(self, report: VenueReport, at: datetime, monotonic: float) -> None:
        parent = self._parents.get(self._owner.get(report.order_id, report.order_id))
        child = parent.children.get(report.order_id) if parent else None
        if parent is None or child is None:
            return
        self._answered(child, report.kind, monotonic)
        if report.kind is ReportKind.NEW and child.state is ChildState.SENT:
            child.state = ChildState.OPEN
            self._turn.touch(parent, child)
        elif report.kind in (ReportKind.TRADE, ReportKind.TRADE_CANCEL, ReportKind.TRADE_CORRECT):
            self._traded(parent, child, report)
        elif child.state is not ChildState.DONE and (report.kind in _ENDS or _never_came(report, child)):
            self._child_ended(parent, child, report, monotonic)
        self._waiting[parent.id] = parent

    def _answered(self, child: Child, kind: ReportKind, monotonic: float) -> None:
        """Note that a venue need not be waited for any more; that it knows nothing of a part is no good answer."""
        if not child.sent_mono:
            return
        health = self.health[child.venue]
        health.unanswered = max(health.unanswered - 1, 0)
        if kind not in _BAD_ANSWERS:
            health.answered(monotonic - child.sent_mono, monotonic)
        child.sent_mono = 0.0

    def _traded(self, parent: Parent, child: Child, report: VenueReport) -> None:
        exec_id = f"{report.venue}:{report.exec_id}"
        if exec_id in parent.seen:
            return
        parent.seen.add(exec_id)
        if report.kind is ReportKind.TRADE and report.quantity is not None:
            child.filled += report.quantity
            parent.filled += report.quantity
            if child.filled >= child.quantity:
                child.state, child.ended_as = ChildState.DONE, "filled"
            elif child.state is ChildState.SENT:
                child.state = ChildState.OPEN
        self._turn.touch(parent, child)
        ref = f"{report.venue}:{report.ref_exec_id}" if report.ref_exec_id else None
        self._turn.reports.append(
            VenueReport(
                venue=self.store.name,
                kind=report.kind,
                order_id=parent.id,
                venue_order_id=str(parent.id),
                exec_id=exec_id,
                ref_exec_id=ref,
                quantity=report.quantity,
                price=report.price,
                fee=report.fee,
                reason=report.reason,
                executed_at=report.executed_at,
            )
        )

    def _child_ended(self, parent: Parent, child: Child, report: VenueReport, monotonic: float) -> None:
        was_asked = child.state is ChildState.CANCELING
        child.state, child.ended_as = ChildState.DONE, _ENDS.get(report.kind, "never_heard")
        self._turn.touch(parent, child)
        if report.kind in _BAD_ANSWERS:
            self.health[child.venue].failed(monotonic, report.reason or child.ended_as)
        if report.kind is ReportKind.EXPIRED:
            parent.end = (ReportKind.EXPIRED.value, report.reason)
        elif report.kind is ReportKind.CANCELED and not was_asked and not parent.is_immediate:
            self.health[child.venue].suspect(monotonic)

    # What the clock brings

    def _look_at_slow(self, at: datetime, monotonic: float) -> None:
        """Suspect a venue that has not answered in time, and ask for the part back."""
        while self._unanswered and self._unanswered[0][0] + SLOW_SECONDS <= monotonic:
            sent_mono, child = self._unanswered.popleft()
            parent = self._parents.get(child.parent_id)
            if parent is None or child.state is not ChildState.SENT or child.sent_mono != sent_mono:
                continue
            self.health[child.venue].failed(monotonic, "SLOW")
            self._recall_child(parent, child)
            self._ask_later(child, monotonic)

    def _ask_later(self, child: Child, monotonic: float) -> None:
        self._count += 1
        wait = ASK_SECONDS[min(child.asked, len(ASK_SECONDS) - 1)]
        child.asked += 1
        heapq.heappush(self._asks, (monotonic + wait, self._count, child))

    def _ask_due(self, monotonic: float) -> None:
        while self._asks and self._asks[0][0] <= monotonic:
            child = heapq.heappop(self._asks)[2]
            if child.state is not ChildState.DONE and child.parent_id in self._parents:
                self._turn.asks.append(child)
                if child.state is ChildState.CANCELING:
                    self._turn.cancels.append(child)
                self._ask_later(child, monotonic)

    def _on_time(self, at: datetime) -> None:
        while self._timed and self._timed[0][0] <= at:
            parent = self._parents.get(heapq.heappop(self._timed)[2])
            if parent is None or parent.state is ParentState.DONE:
                continue
            if parent.ends_at and parent.ends_at <= at:
                parent.end = (ReportKind.CANCELED.value, "SCHEDULE_ENDED")
                self._take_back(parent)
            self._waiting[parent.id] = parent
            self._set_timer(parent, at)

    def _set_timer(self, parent: Parent, at: datetime) -> None:
        due = [each for each in (next_due_at(parent.steps, at), parent.ends_at) if each is not None and each > at]
        if due:
            self._count += 1
            heapq.heappush(self._timed, (min(due), self._count, parent.id))

    # What is done with an order

    def _go_on(self, parent: Parent, at: datetime, monotonic: float) -> None:
        """Send what should be at a venue and is not; end what is over; leave waiting what nobody takes now."""
        if parent.state is ParentState.DONE or self._finished(parent, at):
            self._waiting.pop(parent.id, None)
            return
        stops = parent.is_cancel_asked or parent.ask is not None or parent.end[0]
        wanted = ZERO if stops else parent.unplaced(at)
        if not wanted:
            self._waiting.pop(parent.id, None)
            return
        tried = [child.ended_as for child in parent.children.values()]
        if parent.is_immediate and tried and all(end in ("canceled", "filled") for end in tried):
            parent.end = (ReportKind.CANCELED.value, "NOTHING_MORE_AT_ONCE")
            self._finished(parent, at)
            self._waiting.pop(parent.id, None)
            return
        if len(parent.children) >= MOST_CHILDREN:
            parent.end = (ReportKind.CANCELED.value, "NO_VENUE_FILLS_IT")
            self._take_back(parent)
        elif self._share_out(parent, wanted, at, monotonic):
            self._waiting.pop(parent.id, None)

    def _share_out(self, parent: Parent, wanted: Decimal, at: datetime, monotonic: float) -> bool:
        """Decide and send; tell whether everything wanted has found its place, or never will."""
        order = parent.order
        shown = self._shown(order.symbol, order.side, at)
        views = [self.health[view.venue].view(view, monotonic) for view in shown]
        if parent.time_in_force is TimeInForce.FOK:
            views = [
                view
                for view in views
                if displayed(side=order.side, limit_price=parent.limit_price, lot=parent.lot, views=[view]) >= wanted
            ][:1]
            decision = RouteDecision(slices=tuple(Slice(view.venue, wanted) for view in views), views=tuple(views))
        else:
            decision = route(
                side=order.side, quantity=wanted, limit_price=parent.limit_price, lot=parent.lot, views=views,
                is_resting=not parent.is_immediate,
            )  # fmt: skip
        if not decision.slices:
            is_waiting = any(not self.health[view.venue].is_away(monotonic) for view in shown if view.levels)
            if parent.is_immediate and not (is_waiting and all(view.is_broken for view in views) and views):
                parent.end = (ReportKind.CANCELED.value, "NOT_FILLABLE_AT_ONCE")
                self._finished(parent, at)
                return True
            return False
        self._decided(parent, wanted, decision, at)
        for each in decision.slices:
            self._new_child(parent, each, at, monotonic)
        return parent.is_immediate or not decision.unplaced

    def _shown(self, symbol: str, side: Side, at: datetime) -> Sequence[VenueView]:
        """Return what the venues display; looked at once a turn."""
        if (symbol, side) not in self._seen_now:
            self._seen_now[symbol, side] = self._views.views(symbol, side, at)
        return self._seen_now[symbol, side]

    def _decided(self, parent: Parent, wanted: Decimal, decision: RouteDecision, at: datetime) -> None:
        cause = "first" if not parent.children else "step" if parent.steps else "rerouted"
        made = DecisionMade(uuid7(), parent.id, wanted, decision, cause, at)
        self._turn.touch(parent)
        self._turn.decisions.append(made)
        self._turn.reports.append(
            VenueReport(
                venue=self.store.name,
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
        self._owner[child.id] = parent.id
        self._turn.touch(parent, child)
        self._send(child, monotonic)

    def _send(self, child: Child, monotonic: float) -> None:
        child.sent_mono = monotonic
        self.health[child.venue].unanswered += 1
        self._unanswered.append((monotonic, child))
        self._turn.submits.append(child)

    def _finished(self, parent: Parent, at: datetime) -> bool:
        """End an order of which nothing works any more; tell whether it is over."""
        if parent.live:
            return False
        if parent.ask is not None:
            self._answer_ask(parent, parent.ask, at)
        if not parent.leaves:
            parent.state = ParentState.DONE
            self._turn.touch(parent)
            return True
        kind, reason = (ReportKind.CANCELED.value, "") if parent.is_cancel_asked else parent.end
        if not kind:
            return False
        parent.state = ParentState.DONE
        self._turn.touch(parent)
        self._tell(parent.id, ReportKind(kind), at, reason=reason)
        return True

    def _answer_ask(self, parent: Parent, asked: VenueReplace, at: datetime) -> None:
        """Take the new terms on, now that nothing works under the old ones."""
        parent.ask = None
        self._turn.touch(parent)
        if not parent.leaves and asked.quantity <= parent.filled:
            self._tell(parent.id, ReportKind.REPLACE_REJECTED, at, reason="TOO_LATE", request_id=asked.request_id)
            return
        parent.quantity = max(asked.quantity, parent.filled)
        parent.limit_price, parent.time_in_force = asked.limit_price, asked.time_in_force
        self._tell(
            parent.id, ReportKind.REPLACED, at, request_id=asked.request_id, quantity=parent.quantity,
            price=asked.limit_price,
        )  # fmt: skip

    def _tell(
        self, order_id: UUID, kind: ReportKind, at: datetime, *, reason: str = "", request_id: UUID | None = None,
        quantity: Decimal | None = None, price: Decimal | None = None,
    ) -> None:  # fmt: skip
        self._turn.reports.append(
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

    def _forget(self, turn: Turn) -> None:
        """Let go of what is done; a late report finds it again in the tables."""
        for parent in turn.parents.values():
            if parent.state is ParentState.DONE:
                self._parents.pop(parent.id, None)
                for child_id in parent.children:
                    self._owner.pop(child_id, None)


def _never_came(report: VenueReport, child: Child) -> bool:
    """Tell whether a venue says, asked for a part back, that it has none such: what was sent before came before."""
    is_unknown = report.kind is ReportKind.CANCEL_REJECTED and report.reason == "UNKNOWN_ORDER"
    return is_unknown and child.state is ChildState.CANCELING and not child.filled
