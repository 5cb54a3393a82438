"""Place what partners order, through the placement queue that HTTP uses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from accounts.api.pool import in_pool
from orders.domain.commands import OrderFields
from orders.domain.errors import KeyForbidden, KeyNotAccepted, RateLimited
from orders.domain.facts import OrderFacts
from orders.domain.fix import ExecType, Tag
from orders.domain.reasons import reason_dict
from orders.gateways.fix.answering import (
    NOT_AUTHORIZED,
    UNAVAILABLE,
    Done,
    account_faults,
    business_reject,
    exec_id_of,
)
from orders.gateways.fix.engine import Inbound
from orders.gateways.fix.following import Scope
from orders.gateways.fix.reading import order_of
from orders.gateways.fix.telling import Message, Names, refusal_message, status_message
from orders.selectors.fix import order_id_of_client_order_id
from orders.selectors.orders import orders_by_id
from orders.services.authorising import KeyedOrders
from orders.services.queue import Placed, PlacementQueue
from trading_portal.kernel import clock
from trading_portal.kernel.errors import PortalError, Reason
from trading_portal.kernel.ids import uuid7


class Ordering:
    """Place the orders of one key from one address."""

    def __init__(self, scope: Scope, credentials: tuple[str, str], address: str, queue: PlacementQueue) -> None:
        self._scope = scope
        self._credentials = credentials
        self._address = address
        self._queue = queue

    async def place(self, messages: Sequence[Inbound]) -> Done:
        """Place a run of orders, each judged and answered by itself; they meet in the placement queue."""
        at = clock.now()
        read = [self._order(message) for message in messages]
        asked = [None if isinstance(each, list) else self._keyed(each, at) for each in read]
        placed = iter(await asyncio.gather(*(self._queued(each) for each in asked if each is not None)))
        done = Done()
        for message, each in zip(messages, read, strict=True):
            outcome = each if isinstance(each, list) else next(placed)
            known = await in_pool(self._known, message) if isinstance(outcome, PortalError) else None
            # A second time, after a crash, the key may be over its rate: the order is there all the same.
            answer = self._standing(message, known, at) if known else self._placement_answer(message, outcome, at)
            if answer is not None:
                done.messages.append(answer)
            if isinstance(outcome, KeyNotAccepted | KeyForbidden):
                done.why_over = outcome.sentence
        return done

    def _order(self, message: Inbound) -> OrderFields | list[Reason]:
        found = order_of(message.fields)
        faults = account_faults(self._scope, message.fields)
        return faults + (found if isinstance(found, list) else []) if faults else found

    def _keyed(self, order: OrderFields, at: datetime) -> KeyedOrders:
        return KeyedOrders(
            credentials=self._credentials,
            address=self._address,
            orders=(order,),
            source="fix",
            correlation_id=uuid7(),
            placed_at=at,
        )

    async def _queued(self, asked: KeyedOrders) -> Placed | PortalError:
        try:
            return await self._queue.place_all(asked)
        except PortalError as error:
            return error

    def _placement_answer(
        self, message: Inbound, outcome: Placed | PortalError | list[Reason], at: datetime
    ) -> Message | None:
        """Return what an order is answered at once: nothing, where the log will tell of it."""
        if isinstance(outcome, KeyNotAccepted | KeyForbidden):
            return business_reject(message, NOT_AUTHORIZED, outcome.sentence)
        if isinstance(outcome, list):
            return self._refused(message, outcome, at)
        if isinstance(outcome, RateLimited):
            return self._refused(message, [outcome.reason], at)
        if isinstance(outcome, PortalError):
            return business_reject(message, UNAVAILABLE, outcome.sentence)
        (placement,) = outcome.placements
        if placement.status in ("conflict", "invalid"):
            return self._refused(message, placement.refusal, at)
        if placement.order is None or not placement.is_replay:
            return None
        return self._standing(message, placement.order, at)

    def _known(self, message: Inbound) -> OrderFacts | None:
        order_id = order_id_of_client_order_id(self._scope.account_id, message.fields[Tag.CL_ORD_ID])
        return orders_by_id([order_id]).get(order_id) if order_id else None

    def _refused(self, message: Inbound, reasons: Sequence[Reason], at: datetime) -> Message:
        return refusal_message(
            message.fields,
            [reason_dict(why) for why in reasons],
            exec_id=exec_id_of(self._scope, message),
            exec_type=ExecType.REJECTED,
            at=at,
        )

    def _standing(self, message: Inbound, order: OrderFacts, at: datetime) -> Message:
        """Answer an order that was placed before with how it stands now."""
        exec_id = exec_id_of(self._scope, message)
        names = Names(message.fields[Tag.CL_ORD_ID])
        return status_message(order, names, self._scope.account_number, exec_id=exec_id, at=at, echoes=())
