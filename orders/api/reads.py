"""Read orders and trades: what their addresses run, and what `views` describes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast
from uuid import UUID

from accounts.api.errors import Problem, ProblemError
from accounts.api.parameters import NOT_GIVEN_OUT, Parameters
from accounts.api.reading import Answer, Asked, OfAccount
from accounts.api.renderers import encode
from orders.api.answers import NO_ORDER
from orders.api.shapes import order_row_json, trade_row_json
from orders.broadcasts import order_json
from orders.domain.facts import PAPER_VENUE
from orders.domain.parsing import CLIENT_ORDER_ID_LIMIT
from orders.selectors import legs_by_root, order_by_client_order_id, order_by_id
from orders.selectors.shown import (
    OrderQuery,
    OrderRow,
    Status,
    TradeQuery,
    legs_shown,
    orders_shown,
    orders_shown_by_client_order_id,
    orders_shown_by_id,
    trade_is_of,
    trades_shown,
)
from positions.api.reads import Valued, account_told
from positions.domain.types import Side
from risk.selectors import send_allowed

PAGE_DEFAULT, PAGE_LIMIT = 50, 500
TRADES_LIMIT = 100
SYMBOLS_LIMIT = 200
NEXT_PAGE = "X-Next-Page-Token"
NO_INSTRUMENT = UUID(int=0)


def orders_read(asked: Asked) -> Answer:
    """Read a page of orders; a full one leads to the next."""
    query = _order_query(asked)
    rows = orders_shown(query)
    if query.beyond is not None and not rows:
        _require_token(order_by_id(query.beyond, account_id=query.account_id) is not None)
    headers = {NEXT_PAGE: rows[-1].id} if len(rows) == query.limit else {}
    legs = _legs_of(rows) if query.is_nested else {}
    return Answer.of(encode([order_row_json(row, legs.get(row.id, ())) for row in rows]), headers)


def order_read_one(asked: Asked) -> Answer:
    """Read one order, by any id it has, had or is to have."""
    given = Parameters(asked.query)
    is_nested = given.flag("nested")
    given.check()
    order = order_by_id(asked.given["order_id"], account_id=asked.account.id)
    if order is None:
        raise ProblemError(NO_ORDER)
    legs = legs_by_root([order]) if is_nested else {}
    return Answer.of(encode(order_json(order, legs.get(order.id, ()))))


def orders_read_by_id(asked: Sequence[Asked]) -> list[Answer | None]:
    """Read orders that never had another id, and whose legs nobody asks for; what else is asked for is left out."""
    rows = orders_shown_by_id([each.given["order_id"] for each in asked])
    found = [None if each.query else rows.get(each.given["order_id"]) for each in asked]
    return [_answer_to(each, row) for each, row in zip(asked, found, strict=True)]


def order_read_by_client_order_id(asked: Asked) -> Answer:
    """Read one order, by the id its sender gave it or a replace of it."""
    given = Parameters(asked.query)
    name = _client_order_id(given)
    given.require("client_order_id", bool(name), "client_order_id is required.")
    given.check()
    order = order_by_client_order_id(asked.account.id, name)
    if order is None:
        raise ProblemError(Problem(404, f"There is no order {name}."))
    return Answer.of(encode(order_json(order)))


def orders_read_by_client_order_id(asked: Sequence[Asked]) -> list[Answer | None]:
    """Read orders that never had another client_order_id; what else is asked for is left out."""
    names = [(each.account.id, _client_order_id(Parameters(each.query))) for each in asked]
    rows = orders_shown_by_client_order_id(names)
    return [_answer_to(each, rows.get(name)) for each, name in zip(asked, names, strict=True)]


def _client_order_id(given: Parameters) -> str:
    return given.text("client_order_id", limit=CLIENT_ORDER_ID_LIMIT) or ""


def _answer_to(asked: Asked, row: OrderRow | None) -> Answer | None:
    """Return the order that was asked for; another account's is as if it were not there."""
    is_own = row is not None and row.account_id == str(asked.account.id)
    return Answer.of(encode(order_row_json(row))) if row is not None and is_own else None


def trades_read(asked: Asked) -> Answer:
    """Read a page of trades; one that was busted is not among them, one that was corrected is as corrected."""
    given = Parameters(asked.query)
    query = TradeQuery(
        account_id=asked.account.id,
        after=given.instant("after"),
        until=given.instant("until"),
        is_ascending=given.choice("direction", ("asc", "desc"), "desc") == "asc",
        beyond=_token(given, at_end_of=80),
        limit=given.integer("page_size", default=TRADES_LIMIT, low=1, high=TRADES_LIMIT),
    )
    given.check()
    trades = trades_shown(query)
    if query.beyond is not None and not trades:
        _require_token(trade_is_of(query.beyond, query.account_id))
    account_id = str(query.account_id)
    return Answer.of(encode([trade_row_json(trade, account_id) for trade in trades]))


def _order_query(asked: Asked) -> OrderQuery:
    given = Parameters(asked.query)
    query = OrderQuery(
        account_id=asked.account.id,
        is_nested=given.flag("nested"),
        status=cast(Status, given.choice("status", ("open", "closed", "all"), "open")),
        symbols=[symbol.upper() for symbol in given.words("symbols", at_most=SYMBOLS_LIMIT)],
        side=given.choice("side", [side.value for side in Side]),
        after=given.instant("after"),
        until=given.instant("until"),
        is_ascending=given.choice("direction", ("asc", "desc"), "desc") == "asc",
        beyond=_token(given, at_end_of=40),
        limit=given.integer("limit", default=PAGE_DEFAULT, low=1, high=PAGE_LIMIT),
    )
    given.check()
    return query


def _token(given: Parameters, *, at_end_of: int) -> UUID | None:
    """Return the id that ended the page before; what stands before it in the token is for people."""
    written = given.text("page_token", limit=at_end_of)
    try:
        return UUID(written.rpartition("::")[2]) if written else None
    except ValueError:
        given.require("page_token", False, NOT_GIVEN_OUT)
        return None


def _require_token(is_known: bool) -> None:
    """Refuse a page after something that is not the account's; only an empty page has to be asked about."""
    given = Parameters.none()
    given.require("page_token", is_known, NOT_GIVEN_OUT)
    given.check()


def _legs_of(rows: Sequence[OrderRow]) -> dict[str, list[OrderRow]]:
    roots = [UUID(row.id) for row in rows if row.order_class != "simple" and not row.leg]
    legs: dict[str, list[OrderRow]] = {}
    for leg in legs_shown(roots) if roots else ():
        legs.setdefault(leg.parent_id or "", []).append(leg)
    return legs


def accounts_blocked(account_ids: Sequence[UUID]) -> set[UUID]:
    """Return the accounts that a halt or a kill switch stops as a whole; one of an instrument alone does not."""
    blocked = send_allowed(account_ids, [NO_INSTRUMENT] * len(account_ids), PAPER_VENUE)
    return {account_id for account_id, _ in blocked}


ORDERS, TRADES = OfAccount(orders_read), OfAccount(trades_read)
ORDER = OfAccount(order_read_one, together=orders_read_by_id)
ORDER_BY_CLIENT_ORDER_ID = OfAccount(order_read_by_client_order_id, together=orders_read_by_client_order_id)
TRADING_ACCOUNT = Valued(account_told, blocks=accounts_blocked)
