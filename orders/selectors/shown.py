"""Read orders and trades as they are shown: a statement each, ids and amounts written as text by the database.

A reviewed read model: it names the instrument beside the order. No facts are made on the way, as the API reads orders
by the hundred; `orders.api.shapes` makes JSON of the rows, the same that `orders.broadcasts` makes of facts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from audit.sql import fetch


class OrderRow(NamedTuple):
    """An order as it is shown; `left` is what could still trade if it lives, `schedule` and `reasons` are JSON."""

    public_id: str
    client_order_id: str
    placed_at: datetime
    updated_at: datetime
    submitted_at: datetime
    filled_at: datetime | None
    expires_at: datetime | None
    ended_at: datetime | None
    replaces: str | None
    instrument_id: str
    symbol: str
    asset_class: str
    notional: str | None
    quantity: str | None
    filled_quantity: str
    average_price: str | None
    order_class: str
    order_type: str
    side: str
    time_in_force: str
    limit_price: str | None
    stop_price: str | None
    base: str
    pending: str
    extended_hours: bool
    trail_percent: str | None
    trail_price: str | None
    account_id: str
    id: str
    parent_id: str | None
    leg: str
    is_unknown: bool
    reasons: str | None
    left: str
    event_sequence: int
    source: str
    venue: str
    schedule: str | None


class TradeRow(NamedTuple):
    """A trade that stands; `cumulative` is what its order had filled after it, `left` what it was still for."""

    id: str
    order_id: str
    symbol: str
    side: str
    quantity: str
    price: str
    executed_at: datetime
    is_whole: bool
    left: str
    cumulative: str


_ORDERS = """
SELECT coalesce(o.version_id, o.id)::text, coalesce(v.client_order_id, o.client_order_id), o.placed_at, o.updated_at,
       coalesce(o.routed_at, o.placed_at), o.filled_at, o.expires_at, o.ended_at, v.replaces::text,
       o.instrument_id::text, i.symbol, i.asset_class, trim_scale(o.notional)::text,
       trim_scale(nullif(o.quantity, 0))::text, trim_scale(o.filled_quantity)::text, trim_scale(o.average_price)::text,
       o.order_class, o.type, o.side, o.time_in_force, trim_scale(o.limit_price)::text, trim_scale(o.stop_price)::text,
       o.base, o.pending, o.extended_hours, trim_scale(o.trail_percent)::text, trim_scale(o.trail_price)::text,
       o.account_id::text, o.id::text, o.parent_id::text, o.leg, o.is_unknown,
       CASE WHEN o.reasons <> '[]' THEN o.reasons::text END,
       trim_scale(greatest(o.quantity - o.filled_quantity, 0))::text, o.event_sequence, o.source, o.venue,
       o.schedule::text
FROM orders_order o
JOIN marketdata_instrument i ON i.id = o.instrument_id
LEFT JOIN orders_orderversion v ON v.id = o.version_id
"""
# The page is found by its index alone, then what it names by key, an order at a time and once: neither depends on how
# many trades there are, whatever the planner takes a page for.
_TRADES = """
WITH page AS (
    SELECT e.id, e.order_id, e.quantity, e.price, e.executed_at FROM orders_execution e
    WHERE {where} ORDER BY e.executed_at {direction}, e.id {direction} LIMIT %(limit)s
), filled AS MATERIALIZED (
    SELECT its.* FROM (SELECT DISTINCT order_id FROM page) traded CROSS JOIN LATERAL (
        SELECT x.id, sum(x.quantity) OVER (ORDER BY x.recorded_at, x.id) AS cumulative, o.quantity AS ordered, o.side,
               i.symbol
        FROM orders_order o JOIN marketdata_instrument i ON i.id = o.instrument_id
        JOIN orders_execution x ON x.order_id = o.id WHERE o.id = traded.order_id AND x.is_live) its
)
SELECT page.id::text, page.order_id::text, filled.symbol, filled.side, trim_scale(page.quantity)::text,
       trim_scale(page.price)::text, page.executed_at, filled.cumulative >= filled.ordered,
       trim_scale(greatest(filled.ordered - filled.cumulative, 0))::text, trim_scale(filled.cumulative)::text
FROM page JOIN filled ON filled.id = page.id
ORDER BY page.executed_at {direction}, page.id {direction}
"""
_BEYOND_TRADE = """
(e.executed_at, e.id) {beyond} (SELECT last.executed_at, last.id FROM orders_execution last
                                WHERE last.id = %(beyond)s AND last.account_id = %(account)s)
"""
_HAS_OPEN_LEGS = """
(o.order_class <> 'simple' AND EXISTS (
    SELECT FROM orders_order leg WHERE leg.parent_id = o.id AND leg.leg <> '' AND NOT leg.is_closed))
"""
# A page of each symbol by its index, then the page of all: it costs the same whatever else the account has ordered.
_OF_SYMBOLS = """
o.id = ANY(ARRAY(
    SELECT its.id FROM marketdata_instrument named CROSS JOIN LATERAL (
        SELECT o.placed_at, o.id FROM orders_order o WHERE o.instrument_id = named.id AND {where} {page}) its
    WHERE named.is_active
        AND (named.symbol = ANY(%(symbols)s) OR replace(named.symbol, '/', '') = ANY(%(symbols)s))
    ORDER BY its.placed_at {direction}, its.id {direction} LIMIT %(limit)s))
"""
_BEYOND = """
(o.placed_at, o.id) {beyond} (SELECT p.placed_at, p.id FROM orders_order p
                              WHERE p.id = %(beyond)s AND p.account_id = %(account)s)
"""
_IN_ACCOUNT = """
SELECT EXISTS (SELECT FROM orders_execution WHERE id = %(trade)s AND account_id = %(account)s)
"""


Status = Literal["open", "closed", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderQuery:
    """Which of an account's orders; `after` and `until` compare when they were placed, `beyond` is the last id seen.

    Symbols are in capitals; crypto pairs may leave out their slash. Nested, an order stands for its legs too: they are
    not listed, and it is open while any of them is.
    """

    account_id: UUID
    status: Status = "open"
    symbols: Sequence[str] = ()
    side: str | None = None
    after: datetime | None = None
    until: datetime | None = None
    is_ascending: bool = False
    beyond: UUID | None = None
    is_nested: bool = False
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeQuery:
    """Which of an account's trades; `beyond` is the last one seen."""

    account_id: UUID
    after: datetime | None = None
    until: datetime | None = None
    beyond: UUID | None = None
    is_ascending: bool = False
    limit: int = 100


def orders_shown(query: OrderQuery) -> list[OrderRow]:
    """Return a page of an account's orders, newest first unless ascending."""
    direction, beyond = ("ASC", ">") if query.is_ascending else ("DESC", "<")
    where = _asked(
        (True, "o.account_id = %(account)s"),
        (query.side, "o.side = %(side)s"),
        (query.after, "o.placed_at > %(after)s"),
        (query.until, "o.placed_at <= %(until)s"),
        (query.beyond, _BEYOND.format(beyond=beyond)),
        (query.is_nested, "o.leg = ''"),
    )
    if query.status != "all":
        is_open = f"(NOT o.is_closed OR {_HAS_OPEN_LEGS})" if query.is_nested else "(NOT o.is_closed)"
        where.append(is_open if query.status == "open" else f"NOT {is_open}")
    values = {
        "account": query.account_id,
        "symbols": list(query.symbols),
        "side": query.side,
        "after": query.after,
        "until": query.until,
        "beyond": query.beyond,
        "limit": query.limit,
    }
    asked, page = " AND ".join(where), f"ORDER BY o.placed_at {direction}, o.id {direction} LIMIT %(limit)s"
    if query.symbols:
        asked = _OF_SYMBOLS.format(where=asked, page=page, direction=direction)
    return _orders(f"WHERE {asked} {page}", values)


def orders_shown_by_id(order_ids: Collection[UUID]) -> dict[UUID, OrderRow]:
    """Return orders by the only id they ever had; one that had others, or is not there, is absent."""
    found = _orders("WHERE o.id = ANY(%(ids)s) AND o.version_id IS NULL", {"ids": list(order_ids)})
    return {UUID(row.id): row for row in found}


def orders_shown_by_client_order_id(names: Collection[tuple[UUID, str]]) -> dict[tuple[UUID, str], OrderRow]:
    """Return orders by account and the only client_order_id they ever had; one that had others is absent."""
    tail = """
    WHERE o.version_id IS NULL
      AND (o.account_id, o.client_order_id) IN (SELECT * FROM unnest(%(accounts)s::uuid[], %(names)s::text[]))
    """
    found = _orders(tail, {"accounts": [each[0] for each in names], "names": [each[1] for each in names]})
    return {(UUID(row.account_id), row.client_order_id): row for row in found}


def legs_shown(root_ids: Collection[UUID]) -> list[OrderRow]:
    """Return the legs of these orders, of each the take-profit first."""
    tail = "WHERE o.parent_id = ANY(%(roots)s) AND o.leg <> '' ORDER BY o.leg DESC, o.id"
    return _orders(tail, {"roots": list(root_ids)})


def trades_shown(query: TradeQuery) -> list[TradeRow]:
    """Return a page of trades by the time they were done, each with what its order had filled by then."""
    direction, beyond = ("ASC", ">") if query.is_ascending else ("DESC", "<")
    where = _asked(
        (True, "e.account_id = %(account)s AND e.is_live"),
        (query.after, "e.executed_at > %(after)s"),
        (query.until, "e.executed_at <= %(until)s"),
        (query.beyond, _BEYOND_TRADE.format(beyond=beyond)),
    )
    values = {
        "account": query.account_id,
        "after": query.after,
        "until": query.until,
        "beyond": query.beyond,
        "limit": query.limit,
    }
    statement = _TRADES.format(where=" AND ".join(where), direction=direction)
    return [TradeRow(*row) for row in fetch(statement, values, prepare=True)]


def trade_is_of(trade_id: UUID, account_id: UUID) -> bool:
    """Tell whether a trade belongs to an account."""
    return bool(fetch(_IN_ACCOUNT, {"trade": trade_id, "account": account_id}, prepare=True)[0][0])


def _asked(*conditions: tuple[object, str]) -> list[str]:
    """Return the conditions that are asked for: one that was left out would be in the way of an index."""
    return [condition for is_asked, condition in conditions if is_asked]


def _orders(tail: str, values: Mapping[str, Any]) -> list[OrderRow]:
    return [OrderRow(*row) for row in fetch(f"{_ORDERS} {tail}", values, prepare=True)]
