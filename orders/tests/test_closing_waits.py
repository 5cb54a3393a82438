"""Whoever waits for cancels before positions are closed keeps no thread from anybody, and is told when all is done."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from django.test import AsyncClient

from accounts.api import pool
from orders.domain.reports import ReportKind
from orders.services import closing
from orders.tests.api import Caller, new_caller
from orders.tests.desk import Desk
from positions.domain.types import Side

WAITING = pool.THREADS + pool.CANCEL_THREADS + 4
SECONDS = 4.0


@pytest.fixture
def desk() -> Desk:
    return Desk(cash="1000000", accounts=WAITING + 1)


def test_any_number_may_wait_for_cancels_while_orders_are_cancelled_and_read_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "WAIT_SECONDS", SECONDS)
    *_, order_id = [desk.working(account_id=account_id) for account_id in desk.accounts]
    callers = [new_caller(account_id=account_id) for account_id in desk.accounts]

    async def run() -> tuple[float, list[int], list[int]]:
        waiting = [asyncio.create_task(asked(each, "/v2/positions?cancel_orders=true")) for each in callers[:-1]]
        await asyncio.sleep(SECONDS / 4)
        began_at = time.monotonic()
        answers = [
            await asked(callers[-1], f"/v2/orders/{order_id}"),
            await asked(callers[-1], f"/v2/orders/{order_id}/events", "GET"),
            await asked(callers[-1], "/v2/orders"),
        ]
        took = time.monotonic() - began_at
        return (
            took,
            [each.status_code for each in answers],
            [each.status_code for each in await asyncio.gather(*waiting)],
        )

    took, meanwhile, waited = asyncio.run(run())
    assert meanwhile == [204, 200, 207]
    assert waited == [207] * WAITING
    assert took < SECONDS / 2


def test_a_position_is_closed_as_soon_as_the_venue_has_let_go(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "WAIT_SECONDS", 20.0)
    desk.record(desk.trade(desk.working(quantity="10"), "10"))
    desk.show()
    working = desk.working(side=Side.SELL, quantity="10", limit_price="105")
    caller = new_caller(account_id=desk.account)

    async def run() -> Any:
        waiting = asyncio.create_task(asked(caller, "/v2/positions?cancel_orders=true"))
        while await asyncio.to_thread(desk.status, working) != "pending_cancel":
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await asyncio.to_thread(desk.record, desk.report(working, ReportKind.CANCELED))
        return await asyncio.wait_for(waiting, 10)

    (answer,) = asyncio.run(run()).json()
    assert (answer["status"], answer["body"]["qty"]) == (200, "10")


async def asked(caller: Caller, path: str, method: str = "DELETE") -> Any:
    return await AsyncClient().generic(method, path, headers=caller.headers)
