"""Batches of the placement queue as a test wants them, and keys of a desk's account."""

import asyncio
import threading
from decimal import Decimal

from accounts.services import api_key_create
from orders import services
from orders.domain.commands import OrderFields
from orders.domain.types import OrderType, TimeInForce
from orders.services.authorising import KeyedOrders
from orders.services.queue import PlacementQueue
from orders.tests.desk import rows
from positions.domain.types import Side
from positions.tests.helpers import BY
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Unavailable
from trading_portal.kernel.ids import uuid7


class Gate:
    """Place orders for real, but only once it is opened; remember the batches."""

    def __init__(self, desk):
        self.desk = desk
        self.opened, self.entered = threading.Event(), threading.Event()
        self.batches = []

    def __call__(self, *, commands, at):
        self.batches.append(len(commands))
        self.entered.set()
        assert self.opened.wait(20)
        return services.orders_place(commands=commands, at=at, venue=self.desk.venue)


async def placed_together(desk, place, commands):
    """Return the answers to commands that a queue placed as one batch."""
    gate = threading.Event()
    queue = PlacementQueue(place=lambda **asked: (gate.wait(20), place(**asked))[1])
    blocker = asyncio.ensure_future(queue.place(desk.command()))
    await asyncio.sleep(0.1)
    waiting = [asyncio.ensure_future(queue.place(command)) for command in commands]
    await asyncio.sleep(0)
    gate.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert (await blocker).status == "accepted"
    assert queue.stop()
    return [answer.reason.code if isinstance(answer, Unavailable) else answer.status for answer in answers]


def fields(desk, quantity="1"):
    return OrderFields(
        symbol=desk.symbol,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal(quantity),
        limit_price=Decimal(100),
    )


class Key:
    """An API key of a desk's account."""

    def __init__(self, desk, **changes):
        (owner,) = rows("SELECT owner_id FROM accounts_tradingaccount WHERE id = %s", desk.account)[0]
        given = {"name": "test", "scopes": ["trading"], "by": BY, "at": clock.now(), **changes}
        self.key = api_key_create(user_id=owner, account_id=desk.account, **given)
        self.desk = desk

    def orders(self, *quantities, secret=None, address="10.0.0.1"):
        return KeyedOrders(
            credentials=(self.key.key_id, secret or self.key.secret),
            address=address,
            orders=tuple(fields(self.desk, quantity) for quantity in quantities or ("1",)),
            source="api",
            correlation_id=uuid7(),
            placed_at=clock.now(),
        )
