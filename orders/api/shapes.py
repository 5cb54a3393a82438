"""Write the rows of `orders.selectors.shown` as JSON, to the letter what `orders.broadcasts` writes of facts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

import orjson

from orders.broadcasts import algorithm_json, reasons_json, status_text
from orders.domain.order import LIVE
from orders.domain.states import status_of
from orders.domain.types import BaseState, PendingOperation, TimeInForce
from orders.selectors.rows import schedule_of
from orders.selectors.shown import OrderRow, TradeRow

_LIVE = frozenset(base.value for base in LIVE)
NOTHING = "0"


@cache
def _status(base: str, pending: str) -> str:
    return status_of(BaseState(base), PendingOperation(pending), is_unknown=False)


def _instant(at: datetime | None) -> str | None:
    """Write an instant that the database gave in UTC."""
    return None if at is None else at.isoformat(timespec="microseconds")[:26] + "Z"


def order_row_json(row: OrderRow, legs: Sequence[OrderRow] = ()) -> dict[str, Any]:
    """Return an order and its legs."""
    base, status = row.base, _status(row.base, row.pending)
    ended, ends = _instant(row.ended_at), _instant(row.expires_at)
    is_good_till = row.time_in_force == TimeInForce.GTC
    is_live = base in _LIVE or (base == BaseState.DONE_FOR_DAY and is_good_till)
    return {
        "id": row.public_id,
        "client_order_id": row.client_order_id,
        "created_at": _instant(row.placed_at),
        "updated_at": _instant(row.updated_at),
        "submitted_at": _instant(row.submitted_at),
        "filled_at": _instant(row.filled_at),
        "expired_at": ended if base == BaseState.EXPIRED else None,
        "expires_at": ends,
        "canceled_at": ended if base == BaseState.CANCELED else None,
        "failed_at": ended if base == BaseState.REJECTED else None,
        "replaced_at": None,
        "replaced_by": None,
        "replaces": row.replaces,
        "asset_id": row.instrument_id,
        "symbol": row.symbol,
        "asset_class": row.asset_class,
        "notional": row.notional,
        "qty": row.quantity,
        "filled_qty": row.filled_quantity,
        "filled_avg_price": row.average_price,
        "order_class": row.order_class,
        "order_type": row.order_type,
        "type": row.order_type,
        "side": row.side,
        "position_intent": None,
        "time_in_force": row.time_in_force,
        "limit_price": row.limit_price,
        "stop_price": row.stop_price,
        "status": status,
        "extended_hours": row.extended_hours,
        "legs": [order_row_json(each) for each in legs] or None,
        "trail_percent": row.trail_percent,
        "trail_price": row.trail_price,
        "hwm": None,
        "account_id": row.account_id,
        "chain_id": row.id,
        "parent_id": row.parent_id,
        "leg": row.leg or None,
        "outcome": "unknown" if row.is_unknown else "known",
        "reasons": reasons_json(orjson.loads(row.reasons)) if row.reasons else [],
        "leaves_qty": row.left if is_live else NOTHING,
        "event_sequence": row.event_sequence,
        "source": row.source,
        "venue": row.venue,
        "status_text": status_text(status),
        "good_till": ends if is_good_till else None,
        "algorithm": algorithm_json(schedule_of(row.schedule)) if row.schedule else None,
    }


def trade_row_json(row: TradeRow, account_id: str) -> dict[str, Any]:
    """Return a trade as Alpaca's activities show it."""
    at = row.executed_at
    return {
        "id": f"{at:%Y%m%d%H%M%S}{at.microsecond // 1000:03}::{row.id}",
        "account_id": account_id,
        "activity_type": "FILL",
        "transaction_time": _instant(at),
        "type": "fill" if row.is_whole else "partial_fill",
        "price": row.price,
        "qty": row.quantity,
        "side": row.side,
        "symbol": row.symbol,
        "leaves_qty": row.left,
        "order_id": row.order_id,
        "cum_qty": row.cumulative,
        "order_status": "filled" if row.is_whole else "partially_filled",
    }
