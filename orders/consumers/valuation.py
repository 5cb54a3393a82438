"""Value every account that somebody looks at, once a second, all in one go: marks move without any event."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog
from channels.db import database_sync_to_async

from marketdata.hub import Hub
from orders.consumers.snapshot import valuation_body
from orders.selectors.venues import venues_away
from positions.selectors import valuations
from trading_portal.kernel import clock

EVERY_SECONDS = 1.0
IDLE_ROUNDS = 10

log = structlog.get_logger(__name__)
_tasks: WeakKeyDictionary[Hub, asyncio.Task[None]] = WeakKeyDictionary()


def valuations_start(hub: Hub) -> None:
    """See to it that this hub's accounts are valued; one task a hub, which ends when nobody looks any more."""
    task = _tasks.get(hub)
    if task is None or task.done():
        _tasks[hub] = asyncio.get_running_loop().create_task(_run(hub), name="hub-valuations")


async def _run(hub: Hub) -> None:
    told: dict[str, dict[str, object]] = {}
    idle = 0
    while idle < IDLE_ROUNDS:
        await asyncio.sleep(EVERY_SECONDS)
        watched = hub.accounts_watched()
        idle = 0 if watched else idle + 1
        try:
            bodies = await _value([UUID(account_id) for account_id in watched]) if watched else {}
        except Exception as error:  # noqa: BLE001 - a failed round must not end the rounds; the next one tries again
            log.warning("valuations.failed", error=repr(error), accounts=len(watched))
            continue
        for account_id, body in bodies.items():
            if told.get(account_id) != body:
                hub.value_account(account_id, body)
        told = bodies


async def _value(account_ids: Collection[UUID]) -> dict[str, dict[str, object]]:
    return await database_sync_to_async(_bodies)(account_ids)


def _bodies(account_ids: Collection[UUID]) -> dict[str, dict[str, object]]:
    away = venues_away(account_ids)
    return {
        str(account_id): valuation_body(valuation, away.get(account_id, ()))
        for account_id, valuation in valuations(account_ids, clock.now()).items()
    }
