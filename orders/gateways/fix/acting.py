"""Act on what partners send: orders by the run, everything else one by one, all through the services of orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

from accounts.api.pool import in_pool
from accounts.domain.keys import SCOPE_TRADE, grant_refusal
from accounts.selectors import keys_verify
from orders.domain.errors import KeyForbidden, KeyNotAccepted
from orders.domain.fix import MsgType
from orders.gateways.fix.answering import NOT_AUTHORIZED, UNSUPPORTED, Done, business_reject
from orders.gateways.fix.asking import Asking
from orders.gateways.fix.engine import Inbound
from orders.gateways.fix.following import Scope
from orders.gateways.fix.ordering import Ordering
from orders.services.queue import PlacementQueue
from trading_portal.kernel import clock


class Clerk:
    """Act for one key from one address."""

    def __init__(self, scope: Scope, credentials: tuple[str, str], address: str, queue: PlacementQueue) -> None:
        self._credentials = credentials
        self._address = address
        self._ordering = Ordering(scope, credentials, address, queue)
        self._asking = Asking(scope)

    async def act(self, messages: Sequence[Inbound]) -> Done:
        """Act on messages in their order; neighbouring orders are placed together."""
        done = Done()
        runs = [(is_order, [*run]) for is_order, run in groupby(messages, key=_is_order)]
        for is_order, run in runs:
            if done.why_over:
                done.messages += [business_reject(each, NOT_AUTHORIZED, done.why_over) for each in run]
            else:
                done.add(await (self._ordering.place(run) if is_order else in_pool(self._others, run)))
        return done

    def may_still(self, at: datetime) -> str:
        """Return why the key may not trade from here any more; nothing while it may."""
        (grant,) = keys_verify([self._credentials], at)
        if grant is None:
            return KeyNotAccepted().sentence
        why = grant_refusal(grant, scope=SCOPE_TRADE, address=self._address)
        return KeyForbidden(why).sentence if why else ""

    def _others(self, messages: Sequence[Inbound]) -> Done:
        done = Done(why_over=self.may_still(clock.now()))
        for message in messages:
            if done.why_over:
                done.messages.append(business_reject(message, NOT_AUTHORIZED, done.why_over))
            elif self._asking.knows(message):
                done.add(self._asking.ask(message))
            elif message.type != MsgType.BUSINESS_REJECT:
                done.messages.append(business_reject(message, UNSUPPORTED, "This message is not spoken here."))
        return done


def _is_order(message: Inbound) -> bool:
    return message.type == MsgType.NEW_ORDER
