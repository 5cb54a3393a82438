"""What a browser is told first about an account, and what it is worth every second after."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async

from audit.selectors import account_sequence_last
from marketdata.hub import Frame, Hub, frame_of
from marketdata.selectors import instruments_by_id
from orders.broadcasts import execution_json, notices_json, order_json
from orders.selectors import executions_recent, orders_open, orders_recent
from orders.selectors.venues import VenueAway, venues_away
from positions.domain.shapes import account_json
from positions.selectors import AccountValuation, valuations
from trading_portal.kernel import clock

ORDERS_SHOWN = 100
FILLS_SHOWN = 100


Snapshot = tuple[int, Frame]

_asked: WeakKeyDictionary[Hub, dict[UUID, asyncio.Task[Snapshot]]] = WeakKeyDictionary()
"""Snapshots that nobody has begun to read: whoever asks until then gets the same."""


async def snapshot_shared(hub: Hub, account_id: UUID) -> Snapshot:
    """Return an account's sequence and snapshot, read and encoded once for all the readers that ask at one time.

    Follow the account first: what is read begins after this is asked.
    """
    asked = _asked.setdefault(hub, {})
    task = asked.get(account_id)
    if task is None:
        task = asked[account_id] = asyncio.create_task(_read(asked, account_id), name="account-snapshot")
    return await asyncio.shield(task)


async def _read(asked: dict[UUID, asyncio.Task[Snapshot]], account_id: UUID) -> Snapshot:
    def begin() -> Snapshot:
        asked.pop(account_id, None)
        sequence, snapshot = account_snapshot(account_id, clock.now())
        return sequence, frame_of(snapshot)

    try:
        return await database_sync_to_async(begin)()
    except BaseException:
        asked.pop(account_id, None)  # where it was not even begun, the next to ask must not get this
        raise


def account_snapshot(account_id: UUID, at: datetime) -> tuple[int, dict[str, object]]:
    """Return an account's sequence and everything a page shows of it.

    The sequence is read first: what commits while the rest is read is told again by its event, never missed.
    """
    sequence = account_sequence_last(account_id)
    orders = {order.id: order for order in (*orders_open([account_id]), *orders_recent(account_id, ORDERS_SHOWN))}
    fills = executions_recent(account_id, FILLS_SHOWN)
    symbols = {key: one.symbol for key, one in instruments_by_id({fill.instrument_id for fill in fills}).items()}
    return sequence, {
        "type": "snapshot",
        "ch": "account",
        "account_id": str(account_id),
        "seq": sequence,
        "orders": [order_json(order) for order in orders.values()],
        "fills": [execution_json(fill, symbols[fill.instrument_id]) for fill in fills],
        **valuation_body(valuations([account_id], at)[account_id], venues_away([account_id]).get(account_id, ())),
    }


def valuation_body(valuation: AccountValuation, away: Sequence[VenueAway]) -> dict[str, object]:
    """Return an account and its positions as frames hold them, and which of its venues do not answer."""
    return {
        "account": account_json(valuation.summary),
        "positions": valuation.positions,
        "notices": notices_json(away),
    }
