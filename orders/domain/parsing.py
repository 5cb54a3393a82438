"""Turn what was sent into an order's fields: the structural rules, once for HTTP, bulk, FIX and pages.

Fields and the rules between them are those of Alpaca's `POST /v2/orders` (docs.alpaca.markets: "Placing Orders"),
with `good_till` and `algorithm` of ours. What depends on the instrument is in `orders.domain.grid`, what depends on
the time in `timing_reasons`, what depends on the account in risk.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from orders.domain.bodies import BODY_LIMIT, decode_json_body
from orders.domain.commands import OrderFields, Schedule, StopLoss, TakeProfit
from orders.domain.reading import CLIENT_ORDER_ID_LIMIT, Reader, shown
from orders.domain.replacing import parse_replace
from orders.domain.shapes import Shape, shape_check
from orders.domain.types import Algorithm, OrderClass, OrderType, TimeInForce
from positions.domain.types import Side
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.money import ZERO

__all__ = [
    "BODY_LIMIT", "CLIENT_ORDER_ID_LIMIT", "INTENTS", "ORDER_TYPES", "SLICES_LIMIT", "TIMES_IN_FORCE",
    "VENUE_LIMIT", "decode_json_body", "parse_order", "parse_replace", "timing_reasons",
]  # fmt: skip

ORDER_TYPES = tuple(OrderType)
TIMES_IN_FORCE = tuple(TimeInForce)
SLICES_LIMIT = 1_000
VENUE_LIMIT = 24
GOOD_TILL_LIMIT = timedelta(days=365)
ALGORITHM_LIMIT = timedelta(days=1)
INTENTS = {"buy_to_open": Side.BUY, "buy_to_close": Side.BUY, "sell_to_open": Side.SELL, "sell_to_close": Side.SELL}
_NOT_HERE = ("legs", "ratio_qty", "advanced_instructions")
_TAKEN = (
    "symbol", "side", "type", "time_in_force", "qty", "notional", "limit_price", "stop_price", "trail_price",
    "trail_percent", "good_till", "extended_hours", "order_class", "take_profit", "stop_loss", "algorithm",
    "position_intent", "venue", "client_order_id",
)  # fmt: skip
_KNOWN = frozenset((*_TAKEN, *_NOT_HERE))
_TAKE_PROFIT = frozenset(("limit_price",))
_STOP_LOSS = frozenset(("stop_price", "limit_price"))
_ALGORITHM = frozenset(("name", "starts_at", "ends_at", "slices"))


def parse_order(body: object) -> OrderFields | list[Reason]:
    """Return an order's fields, or every reason why the body is none."""
    if not isinstance(body, Mapping):
        return [reason("BODY_NOT_AN_OBJECT")]
    reader = Reader.of(body, _KNOWN)
    for name in _NOT_HERE:
        if reader.has(name):
            reader.refuse("FIELD_NOT_SUPPORTED", field=name, value="")
    symbol = reader.symbol()
    shape = _shape(reader)
    venue = reader.word_if_given("venue", at_most=VENUE_LIMIT)
    client_order_id = reader.client_order_id()
    shape_check(shape, reader)
    if reader.found:
        return reader.found
    # Whatever the rules between the fields need was there, or something would have been found.
    assert symbol is not None
    assert shape.side is not None
    assert shape.order_type is not None
    assert shape.time_in_force is not None
    return OrderFields(
        symbol=symbol,
        side=shape.side,
        order_type=shape.order_type,
        time_in_force=shape.time_in_force,
        quantity=ZERO if shape.quantity is None else shape.quantity,
        notional=shape.notional,
        limit_price=shape.limit_price,
        stop_price=shape.stop_price,
        trail_price=shape.trail_price,
        trail_percent=shape.trail_percent,
        good_till=shape.good_till,
        extended_hours=shape.extended_hours,
        order_class=shape.order_class,
        take_profit=shape.take_profit,
        stop_loss=shape.stop_loss,
        schedule=shape.schedule,
        venue=venue,
        closes_only=shape.closes_only,
        client_order_id=client_order_id,
    )


def timing_reasons(fields: OrderFields, *, at: datetime) -> list[Reason]:
    """Return why an order's instants cannot be waited for, seen from an instant."""
    found: list[Reason] = []
    if fields.good_till is not None and not at < fields.good_till <= at + GOOD_TILL_LIMIT:
        found.append(reason("GOOD_TILL_OUT_OF_RANGE", good_till=fields.good_till, days=GOOD_TILL_LIMIT.days))
    schedule = fields.schedule
    if schedule is not None and schedule.ends_at is not None:
        starts_at = schedule.starts_at or at
        if not max(at, starts_at) < schedule.ends_at <= starts_at + ALGORITHM_LIMIT:
            found.append(reason("ALGORITHM_ENDS_OUT_OF_RANGE", ends_at=schedule.ends_at))
    if schedule is not None and schedule.starts_at is not None and schedule.starts_at > at + ALGORITHM_LIMIT:
        found.append(reason("ALGORITHM_STARTS_TOO_LATE", starts_at=schedule.starts_at))
    return found


def _shape(reader: Reader) -> Shape:
    """Read everything that has a rule with something else."""
    given = reader.given
    shape = Shape(
        side=reader.choice("side", Side),
        order_type=reader.choice("type", OrderType),
        time_in_force=reader.choice("time_in_force", TimeInForce),
        limit_price=reader.amount("limit_price") if "limit_price" in given else None,
        extended_hours=reader.flag("extended_hours") if "extended_hours" in given else False,
    )
    if "notional" in given:
        shape.notional = reader.amount("notional")
        shape.quantity = reader.amount_if_given("qty")
    else:
        shape.quantity = reader.amount("qty")
    if "stop_price" in given:
        shape.stop_price = reader.amount("stop_price")
    if not _RARE.isdisjoint(given):
        _read_rare(shape, reader)
    return shape


_RARE = frozenset(
    ("trail_price", "trail_percent", "good_till", "order_class", "take_profit", "stop_loss", "algorithm",
     "position_intent")
)  # fmt: skip


def _read_rare(shape: Shape, reader: Reader) -> None:
    """Read what most orders do not say."""
    shape.trail_price = reader.amount_if_given("trail_price")
    shape.trail_percent = reader.amount_if_given("trail_percent")
    shape.good_till = reader.instant_if_given("good_till")
    if reader.given.get("order_class", "") != "":
        shape.order_class = reader.choice("order_class", OrderClass) or OrderClass.SIMPLE
    shape.take_profit = _take_profit(reader)
    shape.stop_loss = _stop_loss(reader)
    shape.schedule = _schedule(reader)
    intent = reader.given.get("position_intent")
    if intent is not None and (not isinstance(intent, str) or intent not in INTENTS):
        reader.refuse("FIELD_NOT_A_CHOICE", field="position_intent", allowed=", ".join(INTENTS))
    elif intent is not None and shape.side is not None and INTENTS[intent] is not shape.side:
        reader.refuse("FIELD_NOT_SUPPORTED", field="position_intent", value=shown(intent))
    elif intent is not None:
        shape.closes_only = intent.endswith("_to_close")


def _take_profit(reader: Reader) -> TakeProfit | None:
    inner = reader.inner("take_profit", _TAKE_PROFIT)
    if inner is None:
        return None
    limit_price = inner.amount("limit_price")
    return None if limit_price is None else TakeProfit(limit_price=limit_price)


def _stop_loss(reader: Reader) -> StopLoss | None:
    inner = reader.inner("stop_loss", _STOP_LOSS)
    if inner is None:
        return None
    stop_price, limit_price = inner.amount("stop_price"), inner.amount_if_given("limit_price")
    return None if stop_price is None else StopLoss(stop_price=stop_price, limit_price=limit_price)


def _schedule(reader: Reader) -> Schedule | None:
    """Return how the order is to be worked over time; a bare word leaves times and slices to the algorithm."""
    if isinstance(reader.given.get("algorithm"), str):
        algorithm = reader.choice("algorithm", Algorithm)
        return None if algorithm is None else Schedule(algorithm=algorithm)
    inner = reader.inner("algorithm", _ALGORITHM)
    if inner is None:
        return None
    algorithm = inner.choice("name", Algorithm)
    starts_at, ends_at = inner.instant_if_given("starts_at"), inner.instant_if_given("ends_at")
    slices = inner.count_if_given("slices", at_most=SLICES_LIMIT)
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        reader.refuse("ALGORITHM_ENDS_OUT_OF_RANGE", ends_at=ends_at)
    if algorithm is None:
        return None
    return Schedule(algorithm=algorithm, starts_at=starts_at, ends_at=ends_at, slices=slices)
