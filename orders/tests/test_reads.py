"""What is read is true of the instant it was asked for, whatever was kept from before; and every way says the same."""

import dataclasses
from contextlib import contextmanager
from decimal import Decimal
from itertools import pairwise, product
from uuid import UUID

import orjson
import pytest
from django.db import connection, transaction

from accounts.api.renderers import encode
from accounts.services import api_key_revoke
from orders.broadcasts import order_json
from orders.domain.commands import ReplaceFields, ReplaceOrder
from orders.domain.reports import ReportKind
from orders.domain.types import OrderType, TimeInForce
from orders.selectors import executions_recent, order_by_id, orders_recent
from orders.selectors.shown import OrderQuery, TradeQuery, orders_shown, trades_shown
from orders.services import orders_replace
from orders.tests.api import assert_problem, new_caller
from orders.tests.desk import Desk, rows
from positions.domain.types import Side
from positions.tests.helpers import BY, new_instrument, set_live
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def caller(desk):
    return new_caller(account_id=desk.account)


def told(caller):
    """Return all orders as the list tells them, each read by its id too."""
    listed = caller.get("/v2/orders", status="all", limit=500).json()
    for order in listed:
        assert caller.get(f"/v2/orders/{order['id']}").json() == order
        named = caller.get("/v2/orders:by_client_order_id", client_order_id=order["client_order_id"])
        assert named.json() == order
    return listed


def stored(desk):
    return [orjson.loads(encode(order_json(order))) for order in orders_recent(desk.account, 500)]


def replace(desk, order_id):
    command = ReplaceOrder(
        order_id=order_id,
        account_id=desk.account,
        fields=ReplaceFields(quantity=Decimal(30)),
        by=BY,
        correlation_id=uuid7(),
        requested_at=clock.now(),
    )
    return orders_replace(commands=[command], at=clock.now())[0]


def test_every_move_of_an_order_is_in_the_next_answer(desk, caller):
    first = desk.accepted(quantity="20")
    fill = desk.trade(first, "7", "99.5")
    steps = [
        lambda: None,
        desk.claim,
        lambda: desk.record(desk.report(first, ReportKind.NEW)),
        lambda: desk.record(fill),
        lambda: desk.record(
            desk.report(first, ReportKind.TRADE_CORRECT, quantity="6", price="99", ref_exec_id=fill.exec_id)
        ),
        lambda: (replace(desk, first), desk.claim()),
        lambda: desk.record(desk.report(first, ReportKind.REPLACED, quantity="30")),
        lambda: desk.cancel(first),
        lambda: desk.record(desk.report(first, ReportKind.CANCELED)),
        lambda: desk.working(order_type=OrderType.STOP, limit_price=None, stop_price=Decimal(105)),
        lambda: desk.accepted(order_type=OrderType.MARKET, time_in_force=TimeInForce.DAY),
        lambda: desk.place_all([desk.command(side=Side.SELL, quantity="999999")]),
    ]
    answers = []
    for step in steps:
        step()
        answers.append(told(caller))
        assert answers[-1] == stored(desk)
    assert all(before != after for before, after in pairwise(answers))
    assert {order["status"] for order in answers[-1]} == {"canceled", "new", "accepted", "rejected"}


def test_an_id_that_was_replaced_still_shows_what_it_was(desk, caller):
    order_id = desk.working(quantity="20")
    replace(desk, order_id)
    desk.claim()
    desk.record(desk.report(order_id, ReportKind.REPLACED, quantity="30"))
    seen = caller.get(f"/v2/orders/{order_id}").json()
    assert (seen["status"], seen["qty"]) == ("replaced", "20")
    assert seen == orjson.loads(encode(order_json(order_by_id(order_id))))
    assert caller.get(f"/v2/orders/{seen['replaced_by']}").json()["qty"] == "30"


def test_an_answer_that_is_still_the_same_comes_without_its_body(desk, caller):
    desk.accepted()
    first = caller.get("/v2/orders")
    known = {"If-None-Match": f'"other", W/{first["ETag"]}'}
    again = caller.get("/v2/orders", headers=known)
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert "X-RateLimit-Remaining" in again
    desk.accepted()
    changed = caller.get("/v2/orders", headers=known)
    assert (changed.status_code, len(changed.json())) == (200, 2)


def test_what_is_kept_of_one_account_is_never_told_to_another(desk, caller):
    order_id = desk.accepted()
    assert len(caller.get("/v2/orders").json()) == 1
    assert caller.get(f"/v2/orders/{order_id}").status_code == 200
    stranger = new_caller()
    assert stranger.get("/v2/orders").json() == []
    assert_problem(stranger.get(f"/v2/orders/{order_id}"), 404, 40410000)


def test_a_key_that_was_revoked_reads_nothing_that_is_kept(desk, caller):
    for path in ("/v2/orders", "/v2/positions", "/v2/account"):
        assert caller.get(path).status_code == 200
    api_key_revoke(key_id=caller.key_id, by=BY, at=clock.now())
    for path in ("/v2/orders", "/v2/positions", "/v2/account"):
        assert_problem(caller.get(path), 401, 40110000)


def test_positions_and_account_follow_prices_and_fills(desk, caller):
    order_id = desk.working(quantity="20")
    assert caller.get("/v2/positions").json() == []
    desk.record(desk.trade(order_id, "20", "100"))
    for price, worth in (("100", "2000"), ("110", "2200"), ("90.5", "1810")):
        set_live(desk.instrument, price, None)
        (position,) = caller.get("/v2/positions").json()
        assert (position["current_price"], position["market_value"]) == (price, worth)
        assert caller.get(f"/v2/positions/{desk.symbol}").json() == position
        assert caller.get("/v2/account").json()["long_market_value"] == worth


def test_pages_of_trades_tell_what_was_filled_by_then(desk, caller):
    order_id = desk.working(quantity="20")
    for quantity in ("5", "8", "7"):
        desk.record(desk.trade(order_id, quantity))
    trades = caller.get("/v2/account/activities/FILL", direction="asc").json()
    assert [(trade["qty"], trade["cum_qty"], trade["leaves_qty"], trade["type"]) for trade in trades] == [
        ("5", "5", "15", "partial_fill"),
        ("8", "13", "7", "partial_fill"),
        ("7", "20", "0", "fill"),
    ]
    rest = caller.get("/v2/account/activities/FILL", direction="asc", page_token=trades[0]["id"]).json()
    assert rest == trades[1:]
    assert caller.get("/v2/account/activities/FILL", direction="asc", page_token=trades[2]["id"]).json() == []
    stranger = new_caller()
    assert_problem(stranger.get("/v2/account/activities/FILL", page_token=trades[0]["id"]), 422, 42210000)


# As a connection plans at first, and as one that keeps its plans.
PLANS = ("force_custom_plan", "force_generic_plan")
HISTORY = """
INSERT INTO orders_order
SELECT copy.* FROM orders_order o, generate_series(1, %(size)s) n, jsonb_populate_record(o, jsonb_build_object(
    'id', md5(o.id::text || n)::uuid, 'client_order_id', 'copy-' || n)) copy
WHERE o.id = %(order)s;
INSERT INTO orders_execution
SELECT copy.* FROM orders_execution e, generate_series(1, %(size)s) n, jsonb_populate_record(e, jsonb_build_object(
    'id', uuidv7(), 'order_id', md5(e.order_id::text || n)::uuid, 'exec_id', e.exec_id || '-' || n,
    'executed_at', e.executed_at - n * interval '1 minute')) copy
WHERE e.order_id = %(order)s;
ANALYZE orders_order, orders_execution
"""


@contextmanager
def history(order_id, size):
    """Let an order and its fills have happened so many times more, a minute apart; and put all back."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL ROLE NONE")
            for statement in HISTORY.split(";"):
                cursor.execute(statement, {"order": order_id, "size": size})
            cursor.execute("SET LOCAL ROLE portal_app")
        yield
        transaction.set_rollback(True)


def rows_read():
    """Return how many orders and fills this transaction has read so far, by an index or by scanning."""
    found = rows(
        "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables WHERE relname = ANY(%s)",
        ["orders_order", "orders_execution"],
    )
    return found[0][0]


def test_a_page_of_trades_costs_the_same_however_many_there_were(desk):
    order_id = desk.working(quantity="7")
    desk.record(desk.trade(order_id, "4"), desk.trade(order_id, "3"))
    size, limit = 2_000, 10
    with history(order_id, size):
        newest = trades_shown(TradeQuery(account_id=desk.account, limit=size))
        middle = {"beyond": UUID(newest[-1].id)}, {"after": newest[-1].executed_at}, {"until": newest[-1].executed_at}
        for plans, is_ascending, of in product(PLANS, (True, False), ({}, *middle)):
            rows("SELECT set_config('plan_cache_mode', %s, true)", plans)
            before = rows_read()
            page = trades_shown(TradeQuery(account_id=desk.account, limit=limit, is_ascending=is_ascending, **of))
            assert len(page) == limit
            # The page, what its orders filled by then, and the orders: two fills each, of which a page may cut one off.
            assert rows_read() - before <= 5 * limit, (plans, is_ascending, of)
        before = rows_read()
        recent = executions_recent(desk.account, limit)
        assert rows_read() - before <= 2 * limit
        assert [str(each.id) for each in recent] == [trade.id for trade in newest[:limit]]


def test_a_page_of_orders_in_a_symbol_costs_the_same_however_many_there_were_in_others(desk):
    order_id = desk.working(quantity="7")
    other = new_instrument()
    size, limit = 2_000, 10
    with history(order_id, size):
        [newest, *_] = orders_shown(OrderQuery(account_id=desk.account, status="all"))
        many, none = {"symbols": [newest.symbol, other.symbol]}, {"symbols": [other.symbol]}
        beyond = {"beyond": UUID(newest.id)}
        for plans, is_ascending, of in product(PLANS, (True, False), (many, none, {**many, **beyond})):
            rows("SELECT set_config('plan_cache_mode', %s, true)", plans)
            query = OrderQuery(account_id=desk.account, status="all", limit=limit, is_ascending=is_ascending, **of)
            before = rows_read()
            page = orders_shown(query)
            read = rows_read() - before
            everything = orders_shown(dataclasses.replace(query, symbols=(), limit=2 * size))
            assert [order.id for order in page] == [order.id for order in everything if order.symbol in query.symbols][
                :limit
            ]
            assert read <= 3 * limit, (plans, is_ascending, of)


def test_pages_show_the_trades_that_stand(desk):
    order_id = desk.working(quantity="20")
    kept, gone, wrong = (desk.trade(order_id, quantity) for quantity in ("5", "8", "7"))
    desk.record(kept, gone, wrong)
    right = desk.report(order_id, ReportKind.TRADE_CORRECT, quantity="6", price="99", ref_exec_id=wrong.exec_id)
    desk.record(desk.report(order_id, ReportKind.TRADE_CANCEL, ref_exec_id=gone.exec_id), right)
    assert [each.exec_id for each in executions_recent(desk.account, 10)] == [right.exec_id, kept.exec_id]
    assert [each.quantity for each in trades_shown(TradeQuery(account_id=desk.account))] == ["6", "5"]
