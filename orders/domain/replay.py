"""Rebuild one account's orders, fills, replaces, money and holdings by folding its events, in their order.

Where an order stands is what each event tells; fills, money, holdings and reservations are worked out again, by the
rules that the services use. What an event of an older version does not tell is named, not guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from audit.domain.types import LoggedEvent
from orders.domain import events as told
from orders.domain.amending import terms_read
from orders.domain.order import TERMINAL
from orders.domain.rebuilt import (
    CHANGES_SINCE,
    Instrument,
    RebuiltOrder,
    Unreplayable,
    amount_told,
)
from orders.domain.replay_fills import FillsReplay, fills_split
from orders.domain.replay_versions import version_ask, version_refuse, version_reject, version_take
from orders.domain.reports import Restatement
from orders.domain.splitting import terms_restated
from orders.domain.types import BaseState, Leg, OrderClass, OrderType, PendingOperation, TimeInForce
from positions.domain.types import Side
from trading_portal.kernel.errors import reason

_FILLED, _REPLACE = BaseState.FILLED.value, PendingOperation.REPLACE.value
_ENDED = frozenset(base.value for base in TERMINAL) - {_FILLED}
_SIDES = {each.value: each for each in Side}
_TYPES = {each.value: each for each in OrderType}
_TIMES = {each.value: each for each in TimeInForce}
_FIRST_UNTOLD = frozenset(("extended_hours", "order_class", "parent_id", "leg", "schedule", "expires_at"))


class OrdersReplay:
    """One account's orders and books, as the events so far leave them."""

    def __init__(self, account_id: UUID, instrument_called: Callable[[str], Instrument | None]) -> None:
        self.account_id = account_id
        self.orders: dict[str, RebuiltOrder] = {}
        self.fills = FillsReplay(account_id)
        self._instrument_called = instrument_called

    def accepted(self, said: told.OrderAccepted, event: LoggedEvent) -> None:
        """Begin an order."""
        order = self._begun(said, event)
        order.worst_price = Decimal(said.worst_price)
        self._note_held(order, said, event)

    def refused(self, said: told.OrderRefused, event: LoggedEvent) -> None:
        """Begin and end an order that risk refused."""
        order = self._begun(said, event)
        order.worst_price = amount_told(said.worst_price)
        order.is_refused = True
        order.reasons = said.reasons
        order.ended_at = event.recorded_at
        if event.version < CHANGES_SINCE:
            order.untold |= {"worst_price"}

    def _begun(self, said: told.OrderTaken, event: LoggedEvent) -> RebuiltOrder:
        instrument = self._instrument_called(said.symbol)
        if instrument is None:
            raise Unreplayable(f"no instrument is called {said.symbol}")
        if event.sequence != 1 or event.correlation_id is None or said.order_id in self.orders:
            raise Unreplayable(f"order {said.order_id} begins at its event {event.sequence}")
        order = RebuiltOrder(
            id=UUID(said.order_id),
            instrument=instrument,
            symbol=said.symbol,
            client_order_id=said.client_order_id,
            current_name=said.client_order_id,
            side=_SIDES[said.side],
            order_type=_TYPES[said.order_type],
            time_in_force=_TIMES[said.time_in_force],
            told_quantity=said.quantity,
            quantity=Decimal(said.quantity),
            limit_price=amount_told(said.limit_price),
            stop_price=amount_told(said.stop_price),
            trail_price=amount_told(said.trail_price),
            trail_percent=amount_told(said.trail_percent),
            notional=amount_told(said.notional),
            worst_price=None,
            extended_hours=said.extended_hours,
            order_class=OrderClass(said.order_class),
            parent_id=None if said.parent_id is None else UUID(said.parent_id),
            leg=Leg(said.leg),
            schedule=said.schedule,
            base=said.base,
            pending=said.pending,
            is_unknown=said.is_unknown,
            is_refused=False,
            venue=said.venue,
            source=said.source,
            correlation_id=event.correlation_id,
            placed_at=event.valid_at,
            expires_at=None if said.expires_at is None else datetime.fromisoformat(said.expires_at),
            updated_at=event.recorded_at,
            ended_at=None,
            xid=event.xid,
        )
        if event.version < CHANGES_SINCE:
            order.untold = _FIRST_UNTOLD
        self.orders[said.order_id] = order
        return order

    def moved(self, said: told.OrderPayload, event: LoggedEvent) -> RebuiltOrder:
        """Bring an order where an event says that it stands now."""
        order = self._order(said.order_id)
        if event.sequence != order.event_sequence + 1:
            raise Unreplayable(
                f"event {event.sequence} of order {said.order_id} comes after its event {order.event_sequence}"
            )
        order.event_sequence = event.sequence
        if said.base != order.base:
            order.base = said.base
            order.filled_at = event.valid_at if said.base == _FILLED else None
            order.ended_at = event.valid_at if said.base in _ENDED else None
        order.pending = said.pending
        order.is_unknown = said.is_unknown
        if said.quantity != order.told_quantity:
            order.told_quantity, order.quantity = said.quantity, Decimal(said.quantity)
        order.updated_at = event.recorded_at
        if order.asked is not None and said.pending != _REPLACE:
            version_reject(order, [reason("REPLACE_OVERTAKEN", status=said.status).as_dict()], event)
        self._note_held(order, said, event)
        return order

    def _order(self, order_id: str) -> RebuiltOrder:
        order = self.orders.get(order_id)
        if order is None:
            raise Unreplayable(f"order {order_id} was never begun")
        return order

    def _note_held(self, order: RebuiltOrder, said: told.OrderPayload, event: LoggedEvent) -> None:
        """Keep since when an order has held something; what one transaction lets go and holds again was held."""
        if event.xid != order.xid:
            order.held_before, order.xid = order.held, event.xid
        asked = order.asked
        order.held = said.leaves_quantity != "0" or (
            asked is not None and asked.terms.quantity > Decimal(said.filled_quantity)
        )
        if order.held and not order.held_before:
            order.held_since = event.recorded_at

    def routed(self, said: told.OrderRouted, event: LoggedEvent) -> None:
        """Have an order on its way."""
        self.moved(said, event).routed_at = event.recorded_at

    def reported(self, said: told.ReportedMove, event: LoggedEvent) -> RebuiltOrder:
        """Move an order as its venue says."""
        order = self.moved(said, event)
        if said.venue_order_id:
            order.venue_order_id = said.venue_order_id
        return order

    def ended(self, said: told.OrderCanceled | told.OrderRejected, event: LoggedEvent) -> None:
        """End an order as its venue says, or as nobody ever heard of it."""
        self._give_reasons(self.reported(said, event), said, event)

    def stopped(self, said: told.OrderDropped | told.OrderCancelRequested, event: LoggedEvent) -> None:
        """Stop an order before it was sent, or ask its venue to."""
        self._give_reasons(self.moved(said, event), said, event)

    def _give_reasons(self, order: RebuiltOrder, said: Any, event: LoggedEvent) -> None:
        if said.reasons:
            order.reasons = said.reasons
            order.untold -= {"reasons"}
        elif event.version < CHANGES_SINCE and said.VERSION >= CHANGES_SINCE:
            order.untold |= {"reasons"}

    def executed(self, said: told.OrderExecuted, event: LoggedEvent) -> None:
        """Book a trade."""
        self.fills.trade(self.reported(said, event), said, event)

    def busted(self, said: told.OrderBusted, event: LoggedEvent) -> None:
        """Take a fill back."""
        self.fills.bust(self.reported(said, event), said, event)

    def corrected(self, said: told.OrderCorrected, event: LoggedEvent) -> None:
        """Give a fill another quantity or price."""
        self.fills.correct(self.reported(said, event), said, event)

    def replace_requested(self, said: told.OrderReplaceRequested, event: LoggedEvent) -> None:
        """Have an order wait for its venue's word on other terms."""
        version_ask(self._order(said.order_id), said, event)
        self.moved(said, event)

    def replace_refused(self, said: told.OrderReplaceRefused, event: LoggedEvent) -> None:
        """Keep what risk refused; the order is what it was."""
        version_refuse(self.moved(said, event), said, event)

    def replaced(self, said: told.OrderReplaced, event: LoggedEvent) -> None:
        """Give an order the terms and the id that its venue took."""
        version_take(self._order(said.order_id), said, event)
        self.reported(said, event)

    def replace_rejected(self, said: told.OrderReplaceRejected, event: LoggedEvent) -> None:
        """Leave an order as it was; its end may have come before this answer."""
        order = self._order(said.order_id)
        if order.asked is not None:
            if event.version < CHANGES_SINCE:
                order.asked.untold = frozenset(("reasons",))
            why = said.reasons or (reason("REPLACE_REJECTED", text=said.text or "no reason given").as_dict(),)
            version_reject(order, why, event)
        self.reported(said, event)

    def restated(self, said: told.OrderRestated, event: LoggedEvent) -> None:
        """Let an order go on, or count it by its instrument's split."""
        if said.restatement == Restatement.SPLIT and said.ratio is not None:
            self._split(self._order(said.order_id), said, Decimal(said.ratio), event)
        self.reported(said, event)

    def _split(self, order: RebuiltOrder, said: told.OrderRestated, ratio: Decimal, event: LoggedEvent) -> None:
        terms = terms_read(said.becomes)
        order.limit_price, order.stop_price = terms["limit_price"], terms["stop_price"]
        order.trail_price = terms["trail_price"]
        order.worst_price = amount_told(said.worst_price)
        if event.version < CHANGES_SINCE:
            order.untold |= {"worst_price"}
        if order.asked is not None:
            order.asked.terms = terms_restated(order.asked.terms, ratio)
        fills_split(order, ratio)


Fold = Callable[[OrdersReplay, Any, LoggedEvent], object]
FOLDS: Mapping[type[told.OrderPayload], Fold] = {
    told.OrderAccepted: OrdersReplay.accepted,
    told.OrderRefused: OrdersReplay.refused,
    told.OrderActivated: OrdersReplay.moved,
    told.OrderRouted: OrdersReplay.routed,
    told.OrderDropped: OrdersReplay.stopped,
    told.OrderCancelRequested: OrdersReplay.stopped,
    told.OrderReplaceRequested: OrdersReplay.replace_requested,
    told.OrderReplaceRefused: OrdersReplay.replace_refused,
    told.OrderAcknowledged: OrdersReplay.reported,
    # What a router says of its slices is no report of the order's own.
    told.OrderRouteDecided: OrdersReplay.moved,
    told.OrderExecuted: OrdersReplay.executed,
    told.OrderBusted: OrdersReplay.busted,
    told.OrderCorrected: OrdersReplay.corrected,
    told.OrderCanceled: OrdersReplay.ended,
    told.OrderCancelRejected: OrdersReplay.reported,
    told.OrderReplaced: OrdersReplay.replaced,
    told.OrderReplaceRejected: OrdersReplay.replace_rejected,
    told.OrderRejected: OrdersReplay.ended,
    told.OrderExpired: OrdersReplay.reported,
    told.OrderSuspended: OrdersReplay.reported,
    told.OrderStopped: OrdersReplay.reported,
    told.OrderDoneForDay: OrdersReplay.reported,
    told.OrderCalculated: OrdersReplay.reported,
    told.OrderRestated: OrdersReplay.restated,
    told.OrderUnknown: OrdersReplay.moved,
    told.OrderAnomaly: OrdersReplay.moved,
}
