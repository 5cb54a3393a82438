"""Send what is due to a venue: the intent is stored and committed before the call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

import structlog

from orders import services
from orders.brokers.protocol import VenueCancel, VenueGone, VenueOrder, VenueReplace
from orders.domain.breaker import Line
from orders.domain.errors import LeaseLost
from orders.domain.facts import OrderTerms, VenueMessage
from orders.domain.types import IntentKind, OrderType, TimeInForce
from orders.hosting.flags import WakeFlags
from orders.hosting.health import VenueHealth
from orders.hosting.line import AdapterLine
from orders.hosting.turning import TurningThread
from orders.services.gateway import Gateway
from trading_portal.kernel import clock
from trading_portal.kernel.failpoints import failpoint

CLAIM = 512
IDLE_SECONDS = 0.25
SLOW_SECONDS = 1.0
log = structlog.get_logger(__name__)
T = TypeVar("T")


class Sender:
    """Claim and send until nothing is due, as long as the lease is ours and the recorder keeps up."""

    def __init__(
        self, venue: str, fence: int, line: AdapterLine, health: VenueHealth, gateway: Gateway,
        may_claim: Callable[[], bool], may_speak: Callable[[], bool], on_displaced: Callable[[], None],
    ) -> None:  # fmt: skip
        self._venue = venue
        self._fence = fence
        self._line = line
        self._health = health
        self._gateway = gateway
        self._may_claim = may_claim
        self._may_speak = may_speak
        self._on_displaced = on_displaced
        self._flags = WakeFlags()
        self._is_asked = False
        self.thread = TurningThread(f"send-{venue}", self.turn, idle_seconds=IDLE_SECONDS)

    def wake(self) -> None:
        """Say that something is due; until all of it is sent, nobody need say so again."""
        self._is_asked = True
        self.thread.wake()

    def turn(self) -> None:
        """Send everything that is due."""
        while self._may_claim() and not self.thread.is_stopping:
            self.thread.alive()
            limit = 1 if self._health.is_probing else CLAIM
            gateway = replace(self._gateway, refusal=self._gateway.refusal or self._health.refusal)
            try:
                messages = services.venue_claim(
                    venue=self._venue, fence=self._fence, limit=limit, gateway=gateway, at=clock.now()
                )
            except LeaseLost:
                self._on_displaced()
                return
            if not messages:
                if not self._is_asked:
                    return
                # What was stored before the flag is down is seen by the next look; what comes after raises it again.
                self._is_asked = False
                self._flags.lower(self._venue)
                continue
            failpoint("venue.after_intent")
            # Stopped between the commit and now: the intents are asked about, not sent. However much there is to record
            # by now, what was claimed goes out: nobody else will send it.
            if not self._may_speak():
                return
            self._send(messages)
            failpoint("venue.after_send")
            if len(messages) < limit:
                self.thread.rest()

    def _send(self, messages: Sequence[VenueMessage]) -> None:
        """Tell the venue, each kind by itself: what fails takes nothing else with it.

        Cancels go first, for they reduce risk: nothing of their orders is overtaken, a claim holds one message of each.
        """
        if self._gateway.refusal is not None:
            log.error("hosting.host_not_allowed", venue=self._venue, messages=len(messages))
            return
        orders = [venue_order(message) for message in messages if message.kind is IntentKind.SUBMIT]
        cancels = [VenueCancel(message.order_id) for message in messages if message.kind is IntentKind.CANCEL]
        replaces = [venue_replace(message.order_id, message.terms) for message in messages if message.terms]
        try:
            self._tell(self._line.cancel, cancels)
            self._tell(self._submit, orders)
            self._tell(self._line.replace, replaces)
        except VenueGone as error:
            log.warning("hosting.venue_gone", venue=self._venue, error=str(error))
            self._on_displaced()

    def _tell(self, call: Callable[[Sequence[T]], None], told: Sequence[T]) -> None:
        """Make one call; when it fails the outcome is in doubt, and reconciliation asks."""
        # The call before may have hung for longer than the lease is ours.
        if not told or not self._may_speak():
            return
        began_at = clock.monotonic()
        try:
            with self._health.call(Line.SEND):
                call(told)
        except VenueGone:
            raise
        except Exception:
            log.exception("hosting.send_in_doubt", venue=self._venue, messages=len(told))
        if clock.monotonic() - began_at >= SLOW_SECONDS:
            self.thread.alive()  # calls that hang one after the other would look like a thread that does

    def _submit(self, orders: Sequence[VenueOrder]) -> None:
        self._health.sent((order.order_id, _is_immediate(order)) for order in orders)
        self._line.submit(orders)


def _is_immediate(order: VenueOrder) -> bool:
    """Tell whether an order is to trade as soon as it is there, so that its first fill can be waited for."""
    return order.order_type is OrderType.MARKET and order.time_in_force not in (TimeInForce.OPG, TimeInForce.CLS)


def venue_order(message: VenueMessage) -> VenueOrder:
    """Return a message's order as adapters take it."""
    return VenueOrder(
        order_id=message.order_id,
        symbol=message.symbol,
        side=message.side,
        order_type=message.order_type,
        time_in_force=message.time_in_force,
        quantity=message.quantity,
        limit_price=message.limit_price,
        stop_price=message.stop_price,
        trail_price=message.trail_price,
        trail_percent=message.trail_percent,
        expires_at=message.expires_at,
        extended_hours=message.extended_hours,
        schedule=message.schedule,
        account_id=message.account_id,
        scenario=message.scenario,
    )


def venue_replace(order_id: UUID, terms: OrderTerms) -> VenueReplace:
    """Return a replace as adapters take it."""
    return VenueReplace(
        order_id=order_id,
        request_id=terms.version_id,
        quantity=terms.quantity,
        time_in_force=terms.time_in_force,
        limit_price=terms.limit_price,
        stop_price=terms.stop_price,
        trail_price=terms.trail_price,
        trail_percent=terms.trail_percent,
        expires_at=terms.expires_at if terms.time_in_force is TimeInForce.GTC else None,
    )
