"""Say one message to Alpaca and understand its answer; on a courier's thread, which waits for the network."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from orders.brokers.alpaca import words
from orders.brokers.alpaca.asking import Asking
from orders.brokers.alpaca.profile import AlpacaProfile
from orders.brokers.alpaca.rest import AlpacaRest, Refused, Unsure
from orders.brokers.alpaca.teller import Teller
from orders.brokers.alpaca.words import OVER, Fields
from orders.brokers.copies import OrderName
from orders.brokers.protocol import VenueOrder, VenueReplace
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

AtDesk = Callable[..., Any]


class Conversation:
    """Submit, cancel and replace. What raises is in doubt; a no that was understood is reported."""

    def __init__(
        self, rest: AlpacaRest, asking: Asking, teller: Teller, at_desk: AtDesk, profile: AlpacaProfile
    ) -> None:
        self._rest = rest
        self._asking = asking
        self._teller = teller
        self._at_desk = at_desk
        self._profile = profile

    def submit(self, order: VenueOrder, *, is_new: bool) -> None:
        """Place an order; one that may have been sent before is looked for first."""
        name = str(order.order_id)
        if why := words.refusal(order):
            self._at_desk(self._teller.refused, order.order_id, why, clock.now())
            return
        if not is_new and self._is_known(name, order.order_id):
            return
        try:
            taken = self._rest.post("/orders", words.order_fields(order))
        except Refused as error:
            if error.status == 404:
                raise Unsure("The venue has no such address.") from error
            self._at_desk(self._teller.refused, order.order_id, error.text, clock.now())
            return
        self._at_desk(self._teller.learned, name, taken)

    def _is_known(self, name: str, order_id: UUID) -> bool:
        """Answer an order that the venue has with what it has of it; tell whether it has."""
        if self._at_desk(self._teller.again, [order_id]):
            return True
        standing = self._asking.by_name(name)
        if standing is None:
            return False
        self._tell(standing)
        return True

    def cancel(self, order_id: UUID) -> None:
        """Ask for the cancel of what is left of an order."""
        name, venue_order_id = self._standing(order_id)
        if venue_order_id is None:
            self._cancel_refused(order_id, None, "UNKNOWN_ORDER")
            return
        try:
            self._rest.delete(f"/orders/{venue_order_id}")
            return
        except Refused as error:
            text = error.text
        standing = self._asking.by_name(name)
        if standing is None:
            self._cancel_refused(order_id, venue_order_id, "UNKNOWN_ORDER")
            return
        self._tell(standing)
        if standing["status"] == "pending_cancel":
            return
        self._cancel_refused(order_id, venue_order_id, "TOO_LATE" if standing["status"] in OVER else text)

    def _cancel_refused(self, order_id: UUID, venue_order_id: str | None, text: str) -> None:
        exec_id = str(uuid7())
        self._at_desk(self._teller.cancel_refused, order_id, venue_order_id, text, clock.now(), exec_id)

    def replace(self, asked: VenueReplace) -> None:
        """Ask for a change; one that may have been asked before is looked for first."""
        name = str(asked.request_id)
        if self._at_desk(self._teller.again, [asked.order_id], asked.request_id):
            return
        if self._at_desk(self._teller.copies.names_called, [name]) and (standing := self._asking.by_name(name)):
            self._tell(standing)
            return
        current, venue_order_id = self._standing(asked.order_id)
        standing = None if venue_order_id is None else self._asking.by_name(current)
        if standing is None or standing["status"] in OVER:
            if standing is not None:
                self._tell(standing)
            self._replace_refused(asked, "UNKNOWN_ORDER" if standing is None else "TOO_LATE")
            return
        names = [(name, asked.order_id)]
        self._at_desk(self._teller.copies.names_keep, names, is_replace=True, at=clock.now())
        try:
            taken = self._rest.patch(f"/orders/{venue_order_id}", words.replace_fields(asked, standing))
        except Refused as error:
            self._replace_refused(asked, error.text)
            return
        self._at_desk(self._teller.learned, name, taken)

    def _replace_refused(self, asked: VenueReplace, text: str) -> None:
        self._at_desk(self._teller.replace_refused, asked.order_id, asked.request_id, text, clock.now())

    def _standing(self, order_id: UUID) -> tuple[str, str | None]:
        """Return the name and the venue's id under which an order works now; no id when the venue has none.

        Raise Unsure while nobody can know: it was sent a moment ago and the answer was lost.
        """
        names: list[OrderName] = self._at_desk(self._teller.copies.names_of, [order_id])
        for name in reversed(names):
            if name.venue_order_id is not None and (name.number == 0 or self._is_answered(name)):
                return name.name, name.venue_order_id
            if name.number == 0:
                break
        standing = self._asking.by_name(str(order_id))
        if standing is not None:
            self._tell(standing)
            return str(order_id), str(standing["id"])
        settled = clock.now() - timedelta(seconds=self._profile.settle_seconds)
        if any(name.sent_at > settled and not name.has_ended for name in names):
            raise Unsure("The order was sent a moment ago, and is not there yet.")
        return str(order_id), None

    def _is_answered(self, name: OrderName) -> bool:
        """Tell whether a replace came about, so that its order is the one that works."""
        copies = self._at_desk(self._teller.copies.of, [name.order_id])
        replaced = words.derived_id(name.name, "replaced")
        return any(copy.report.exec_id == replaced for copy in copies)

    def _tell(self, standing: Fields) -> None:
        """Report what an order as it stands tells, with the trades that led there."""
        fills = self._asking.fills_of([standing]) if standing.get("filled_qty") not in (None, "", "0", 0) else []
        self._at_desk(self._teller.snapshots, [standing], fills, clock.now())
