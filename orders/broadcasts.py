"""Turn committed facts into what browsers and partners are sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import groupby
from typing import Any
from uuid import UUID

import msgspec

from audit.domain.types import EventRecord, stream_id
from marketdata.domain.channels import account_channel
from marketdata.services import redis_answering, redis_shared
from orders.domain.commands import Schedule
from orders.domain.facts import OrderFacts
from orders.domain.reasons import sentence
from orders.domain.types import BaseState
from orders.selectors import ExecutionFacts, orders_by_id, orders_seen
from orders.selectors.venues import VenueAway
from positions.domain.shapes import account_json
from positions.selectors import AccountValuation, valuations
from trading_portal.kernel.money import plain

_WORDS = {
    "accepted": "Pending",
    "held": "Held",
    "pending_new": "Pending",
    "new": "Working",
    "partially_filled": "Partially filled",
    "filled": "Filled",
    "pending_cancel": "Cancelling",
    "pending_replace": "Replacing",
    "canceled": "Cancelled",
    "replaced": "Replaced",
    "rejected": "Rejected",
    "expired": "Expired",
    "suspended": "Suspended",
    "stopped": "Working",
    "done_for_day": "Done for day",
    "calculated": "Done",
}


@lru_cache(maxsize=1024)
def instant_json(at: datetime | None) -> str | None:
    """Return an instant as RFC 3339 in UTC, with microseconds; orders of a batch share theirs."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def amount_json(amount: Decimal | None) -> str | None:
    """Return an amount as a plain decimal string."""
    return None if amount is None else plain(amount)


def order_json(order: OrderFacts, legs: Sequence[OrderFacts] = ()) -> dict[str, object]:
    """Return an order as the API, the streams and the pages show it, with its legs: Alpaca's fields, then ours."""
    ended = {order.base: instant_json(order.ended_at)}
    chain_id = str(order.id)
    return {
        "id": chain_id if order.version_id is None else str(order.public_id),
        "client_order_id": order.client_order_id,
        "created_at": instant_json(order.placed_at),
        "updated_at": instant_json(order.updated_at),
        "submitted_at": instant_json(order.routed_at or order.placed_at),
        "filled_at": instant_json(order.filled_at),
        "expired_at": ended.get(BaseState.EXPIRED),
        "expires_at": instant_json(order.expires_at),
        "canceled_at": ended.get(BaseState.CANCELED),
        "failed_at": ended.get(BaseState.REJECTED),
        "replaced_at": instant_json(order.replaced_at),
        "replaced_by": str(order.replaced_by) if order.replaced_by else None,
        "replaces": str(order.replaces) if order.replaces else None,
        "asset_id": str(order.instrument_id),
        "symbol": order.symbol,
        "asset_class": order.asset_class,
        "notional": amount_json(order.notional),
        "qty": amount_json(order.quantity or None),
        "filled_qty": plain(order.filled_quantity),
        "filled_avg_price": amount_json(order.average_price),
        "order_class": order.order_class.value,
        "order_type": order.order_type.value,
        "type": order.order_type.value,
        "side": order.side.value,
        "position_intent": None,
        "time_in_force": order.time_in_force.value,
        "limit_price": amount_json(order.limit_price),
        "stop_price": amount_json(order.stop_price),
        "status": order.status,
        "extended_hours": order.extended_hours,
        "legs": [order_json(leg) for leg in legs] or None,
        "trail_percent": amount_json(order.trail_percent),
        "trail_price": amount_json(order.trail_price),
        "hwm": None,
        "account_id": str(order.account_id),
        "chain_id": chain_id,
        "parent_id": str(order.parent_id) if order.parent_id else None,
        "leg": order.leg.value or None,
        "outcome": "unknown" if order.is_unknown else "known",
        "reasons": reasons_json(order.reasons),
        "leaves_qty": plain(order.leaves_quantity),
        "event_sequence": order.event_sequence,
        "source": order.source,
        "venue": order.venue,
        "status_text": status_text(order.status),
        "good_till": instant_json(order.good_till),
        "algorithm": algorithm_json(order.schedule) if order.schedule else None,
    }


def status_text(status: str) -> str:
    """Return a status as people read it."""
    return _WORDS.get(status, status)


def reasons_json(stored: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return stored reasons, each with its sentence."""
    return [{**why, "sentence": sentence(why["code"], why["facts"])} for why in stored]


def algorithm_json(schedule: Schedule) -> dict[str, object]:
    """Return how an order is worked over time, as it was asked for."""
    return {
        "name": schedule.algorithm.value,
        "starts_at": instant_json(schedule.starts_at),
        "ends_at": instant_json(schedule.ends_at),
        "slices": schedule.slices,
    }


def execution_json(execution: ExecutionFacts, symbol: str) -> dict[str, object]:
    """Return an execution as the pages' list of fills shows it."""
    return {
        "id": str(execution.id),
        "order_id": str(execution.order_id),
        "account_id": str(execution.account_id),
        "symbol": symbol,
        "side": execution.side.value,
        "qty": plain(execution.quantity),
        "price": plain(execution.price),
        "fee": plain(execution.fee),
        "kind": execution.kind,
        "is_live": execution.is_live,
        "venue": execution.venue,
        "venue_exec_id": execution.exec_id,
        "executed_at": instant_json(execution.executed_at),
        "recorded_at": instant_json(execution.recorded_at),
    }


def notices_json(away: Sequence[VenueAway]) -> list[dict[str, object]]:
    """Return what an account's pages say above everything else: which of its venues do not answer."""
    return [
        {
            "code": "VENUE_AWAY",
            "level": "warning",
            "venue": each.venue,
            "since": instant_json(each.since),
            "sentence": sentence("VENUE_AWAY", {"venue": each.venue}),
        }
        for each in away
    ]


def event_summary(event: EventRecord) -> dict[str, object]:
    """Return an event as pages list it; its facts are the payload."""
    return {
        "type": event.type,
        "order_id": stream_id(event.stream) if event.stream.startswith("order:") else None,
        "sequence": event.sequence,
        "account_sequence": event.account_sequence,
        "correlation_id": str(event.correlation_id),
        "actor": event.actor,
        "valid_at": instant_json(event.valid_at),
        "recorded_at": instant_json(event.recorded_at),
        "facts": event.payload,
    }


def accounts_publish(events: Sequence[EventRecord], *, at: datetime) -> None:
    """Publish, to the web processes that watch them, what events changed in accounts: the events and the rows now.

    Raise Unavailable while Redis does not answer; the events are then published again.
    """
    told = [event for event in events if event.account_id]
    with redis_answering():
        _publish(_messages(told, {event.account_id for event in told if event.account_id}, at))


def accounts_watched(account_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the accounts that some web process watches; what nobody watches costs nothing.

    Who begins to watch subscribes first and reads the rows after. Raise Unavailable while Redis does not answer.
    """
    asked = list(account_ids)
    if not asked:
        return set()
    with redis_answering():
        readers: Any = redis_shared().pubsub_numsub(*map(account_channel, asked))
    return {account_id for account_id, (_, count) in zip(asked, readers, strict=True) if count}


def _messages(events: Sequence[EventRecord], account_ids: Collection[UUID], at: datetime) -> list[dict[str, object]]:
    orders = orders_by_id({UUID(stream_id(event.stream)) for event in events if event.stream.startswith("order:")})
    shown = {order_id: order_json(order) for order_id, order in orders.items()}
    former = former_json([(event.type, event.payload) for event in events], orders)
    valued = valuations(account_ids, at)
    return [_account_message(run, shown, former, valued) for run in _runs(events)]


def former_json(
    told: Iterable[tuple[str, Mapping[str, Any]]], orders: Mapping[UUID, OrderFacts]
) -> list[dict[str, Any]]:
    """Return orders by the ids that events knew them by, where they are known by another now."""
    replaced = {str(order.id): order for order in orders.values() if order.version_id is not None}
    if not replaced:
        return []
    wanted: dict[UUID, OrderFacts] = {}
    for event_type, facts in told:
        order = replaced.get(facts.get("order_id", ""))
        public_id = known_by(event_type, facts)
        if order is not None and public_id is not None and public_id != str(order.public_id):
            wanted[UUID(public_id)] = order
    return [order_json(order) for order in orders_seen(wanted).values()]


def known_by(event_type: str, facts: Mapping[str, Any]) -> str | None:
    """Return the id that an order was known by when an event of it happened; a replace speaks of the one it ended."""
    if event_type == "order.replaced":
        return str(facts["replaces"])
    return facts.get("version_id") or facts.get("order_id")


def _publish(messages: Sequence[dict[str, object]]) -> None:
    pipeline: Any = redis_shared().pipeline(transaction=False)
    for message in messages:
        pipeline.publish(account_channel(message["account_id"]), _encoder.encode(message))
    pipeline.execute()


def _runs(events: Iterable[EventRecord]) -> list[list[EventRecord]]:
    """Return the events by account, in runs without a gap: commits may reach the log out of an account's order."""
    ordered = sorted(events, key=lambda event: (str(event.account_id), event.account_sequence or 0))
    numbered = enumerate(ordered)
    runs = groupby(numbered, key=lambda pair: (pair[1].account_id, (pair[1].account_sequence or 0) - pair[0]))
    return [[event for _, event in run] for _, run in runs]


def _account_message(
    run: Sequence[EventRecord],
    orders: dict[UUID, dict[str, object]],
    former: Sequence[dict[str, Any]],
    valued: dict[UUID, AccountValuation],
) -> dict[str, object]:
    account_id = run[0].account_id
    assert account_id is not None
    changed = dict.fromkeys(UUID(stream_id(event.stream)) for event in run if event.stream.startswith("order:"))
    valuation = valued.get(account_id)
    return {
        "account_id": str(account_id),
        "seq": run[-1].account_sequence,
        "prev": (run[0].account_sequence or 1) - 1,
        "events": [event_summary(event) for event in run],
        "orders": [orders[order_id] for order_id in changed if order_id in orders],
        "former": [order for order in former if UUID(order["chain_id"]) in changed],
        "positions": valuation.positions if valuation else [],
        "account": account_json(valuation.summary) if valuation else None,
    }


_encoder = msgspec.json.Encoder()
