"""Place batches through `orders_place`, as the web process does; print how long each part took an order, as JSON."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import django

django.setup()

from django.db import connection  # noqa: E402

from audit.domain.types import Actor  # noqa: E402
from orders.domain.commands import PlaceOrder  # noqa: E402
from orders.domain.types import OrderType, TimeInForce  # noqa: E402
from orders.services import orders_place, placing  # noqa: E402
from positions.domain.types import Side  # noqa: E402
from trading_portal.kernel import clock  # noqa: E402
from trading_portal.kernel.ids import uuid7  # noqa: E402

MICRO = 1_000_000
WARM_UP = 20
# Risk takes an order like another of the last seconds for a slip; the load client begins at 0.
FIRST = 1_000_000
BY = Actor.system("bench")


class Watched:
    """Stand in for the decision's entry point; note how long each call took, and the smallest statement beside it."""

    def __init__(self, decide: Any) -> None:
        self._decide = decide
        self.decision = self.statement = 0.0

    def __call__(self, **given: Any) -> Any:
        """Decide, and note the time."""
        begun = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchall()
        asked = time.perf_counter()
        decisions = self._decide(**given)
        self.statement, self.decision = asked - begun, time.perf_counter() - asked
        return decisions


def commands(symbol: str, cents: int, accounts: Sequence[UUID]) -> Iterator[PlaceOrder]:
    """Yield buys below the market that end by themselves, for each account in turn."""
    for number, account_id in enumerate(itertools.cycle(accounts), FIRST):
        yield PlaceOrder(
            account_id=account_id,
            symbol=symbol,
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.IOC,
            quantity=Decimal(1 + number % 5000),
            limit_price=Decimal(cents - number // 5000 % 400) / 100,
            stop_price=None,
            extended_hours=False,
            client_order_id=str(uuid7()),
            by=BY,
            source="bench",
            api_key_pk=None,
            correlation_id=uuid7(),
            placed_at=clock.now(),
        )


def turn(watched: Watched, new: Iterator[PlaceOrder], batch: int, seconds: float) -> dict[str, list[float]]:
    """Place batches for some seconds, one at least; return microseconds an order."""
    seen: dict[str, list[float]] = {"decision": [], "transaction": [], "statement": []}
    until = time.perf_counter() + seconds
    while not seen["decision"] or time.perf_counter() < until:
        asked = list(itertools.islice(new, batch))
        begun = time.perf_counter()
        placed = orders_place(commands=asked, at=clock.now())
        took = time.perf_counter() - begun - watched.statement
        assert all(each.status == "accepted" for each in placed), placed[0]
        for name, value in (
            ("decision", watched.decision),
            ("transaction", took),
            ("statement", watched.statement * batch),
        ):
            seen[name].append(value * MICRO / batch)
    return seen


def main(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Warm each size up, then let the sizes take turns in every round."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT account_id FROM accounts_apikey WHERE key_id = ANY(%s)", [asked["keys"]])
        new = commands(asked["symbol"], asked["cents"], [row[0] for row in cursor.fetchall()])
    watched = placing.orders_check = Watched(placing.orders_check)
    for batch in asked["batches"]:
        for _ in range(WARM_UP if asked["seconds"] >= 1 else 1):
            turn(watched, new, batch, 0)
    return [
        {str(batch): turn(watched, new, batch, asked["seconds"]) for batch in asked["batches"]}
        for _ in range(asked["rounds"])
    ]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.loads(sys.argv[1]))))
