"""The log makes every row of orders, money and holdings again, now and as of any moment; what differs is named."""

import json
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts.services import account_configure
from orders import services
from orders.domain.commands import ReplaceFields, ReplaceOrder, StopLoss, TakeProfit
from orders.domain.reports import ReportKind, Restatement
from orders.domain.types import OrderClass, OrderType, TimeInForce
from orders.tests.desk import Desk
from positions.domain.types import Side
from positions.services import cash_post
from positions.tests.helpers import BY, rows
from risk.services import kill_switch_latch
from risk.tests.helpers import officer
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7
from trading_portal.rebuilding import sharing
from trading_portal.rebuilding.works import Moment, accounts_told, tables_compared

D = Decimal


def at_odds(desk):
    return list(tables_compared(desk.accounts))


def told(desk, **moment):
    """Return what the log makes of a desk's accounts, as lines by kind."""
    lines = b"".join(accounts_told(Moment(desk.accounts, **moment), processes=1, progress=sharing.unwatched))
    found = {}
    for line in map(json.loads, lines.splitlines()):
        found.setdefault(line["what"], []).append(line)
    return found


def replaced(desk, order_id, **fields):
    """Ask for other terms, and have the venue asked."""
    command = ReplaceOrder(
        order_id=order_id, account_id=desk.account, by=BY, correlation_id=uuid7(), requested_at=clock.now(),
        fields=ReplaceFields(**{name: D(value) for name, value in fields.items()}),
    )  # fmt: skip
    desk.show()
    outcome = services.order_replace(command=command, at=clock.now())
    desk.claim()
    return outcome


def bracket(desk, **changes):
    profit, stop = TakeProfit(limit_price=D(110)), StopLoss(stop_price=D(90))
    placement = desk.place_all(
        [desk.command(order_class=OrderClass.BRACKET, take_profit=profit, stop_loss=stop, **changes)]
    )[0]
    assert placement.status == "accepted", placement
    desk.claim()
    return placement.order.id, [leg.id for leg in placement.legs]


@pytest.fixture(scope="module")
def lived(django_db_setup):
    """Return a desk whose orders went through everything that happens to orders."""
    desk = Desk()
    filled, halved, over, late, restated, lost, refused = (desk.working(quantity=str(n)) for n in range(10, 17))
    desk.cancel(desk.accepted(quantity="18"))
    desk.place_all([desk.command(quantity="1e12"), desk.command(quantity="3", time_in_force=TimeInForce.DAY)])
    desk.claim()
    desk.record(desk.trade(filled, "4", "99.123456789"), desk.trade(filled, "6", "98", fee="1.25"))
    desk.record(desk.trade(halved, "0.3333333333", "99.9999999999"), desk.trade(over, "13"))
    desk.cancel(halved)
    desk.record(desk.report(halved, ReportKind.CANCELED), desk.report(late, ReportKind.EXPIRED), desk.trade(late, "2"))
    wrong, gone, also = desk.trade(restated, "5", "97"), desk.trade(restated, "3", "96", fee="2"), desk.trade(lost, "1")
    desk.record(wrong, gone)
    # A bust, a trade after it and a correction in one batch: the holding is folded anew once, at its end.
    desk.record(
        desk.report(restated, ReportKind.TRADE_CANCEL, ref_exec_id=gone.exec_id),
        also,
        desk.report(restated, ReportKind.TRADE_CORRECT, ref_exec_id=wrong.exec_id, quantity="4", price="95", fee="1"),
    )
    desk.record(desk.report(refused, ReportKind.REJECTED, reason="no"), desk.report(lost, ReportKind.SUSPENDED))
    desk.record(desk.report(lost, ReportKind.RESTATED, restatement=Restatement.RELEASE))
    silent = desk.sent(quantity="19")
    services.orders_unknown_mark(venue=desk.venue, sent_before=clock.now(), fence=None, at=clock.now())
    desk.record(desk.report(silent, ReportKind.STATUS_UNKNOWN_ORDER))
    partly = desk.working(quantity="23")
    desk.record(desk.trade(partly, "2"))
    desk.record(desk.report(partly, ReportKind.STATUS))
    desk.cancel(desk.working(quantity="29"))
    desk.claim()
    desk.working(quantity="8", side=Side.SELL, limit_price="101")
    return desk


@pytest.fixture(scope="module")
def changed(django_db_setup):
    """Return a desk whose orders were replaced, split, and bound to others."""
    desk = Desk()
    taken, kept, both, split = (desk.working(quantity=str(n)) for n in (30, 31, 32, 35))
    desk.record(desk.trade(taken, "3", "99.5"))
    first = replaced(desk, taken, quantity="40", limit_price="99").version.public_id
    desk.record(desk.trade(taken, "1"), desk.report(taken, ReportKind.REPLACED, quantity="40", request_id=first))
    second = replaced(desk, first, quantity="38").version.public_id
    desk.record(desk.report(taken, ReportKind.REPLACED, quantity="38", price="98.5", request_id=second))
    replaced(desk, kept, quantity="50")
    desk.record(desk.report(kept, ReportKind.REPLACE_REJECTED, reason="too late"))
    assert replaced(desk, kept, quantity="900000000000").status == "refused"
    replaced(desk, both, quantity="50")
    desk.record(desk.report(both, ReportKind.CANCELED))
    thirds, whole = desk.trade(split, "7", "99"), desk.trade(split, "4", "98")
    desk.record(thirds, whole)
    replaced(desk, split, quantity="36")
    desk.record(desk.report(split, ReportKind.RESTATED, restatement=Restatement.SPLIT, ratio=D("0.3333333333")))
    desk.record(
        desk.report(split, ReportKind.TRADE_CORRECT, ref_exec_id=thirds.exec_id, quantity="6", price="97", fee="0.5"),
        desk.report(split, ReportKind.TRADE_CANCEL, ref_exec_id=whole.exec_id),
    )
    replaced(desk, desk.working(quantity="37"), quantity="39")
    entry, (profit, stop) = bracket(desk, quantity="60")
    desk.record(desk.report(entry, ReportKind.NEW), desk.trade(entry, "60"))
    desk.claim()
    desk.record(desk.report(profit, ReportKind.NEW), desk.report(stop, ReportKind.NEW), desk.trade(profit, "20", "110"))
    never, _ = bracket(desk, quantity="61", time_in_force=TimeInForce.DAY)
    desk.record(desk.report(never, ReportKind.EXPIRED))
    bracket(desk, quantity="62", extended_hours=False)
    desk.accepted(quantity="63", order_type=OrderType.TRAILING_STOP, limit_price=None, trail_percent=D("1.5"))
    cash_post(account_id=desk.account, currency="EUR", amount=D("12.5"), reason="deposit", by=BY, at=clock.now())
    account_configure(account_id=desk.account, may_short=True, by=BY, at=clock.now())
    return desk


def test_the_log_makes_again_every_row_of_orders_that_lived_through_everything(lived):
    assert at_odds(lived) == []


def test_the_log_makes_again_replaces_splits_and_groups(changed):
    assert at_odds(changed) == []
    kinds = {kind: len(lines) for kind, lines in told(changed).items()}
    assert kinds["replace"] == 8
    assert set(kinds) == {"account", "order", "replace", "execution", "reservation", "holding", "cash"}


def test_an_exit_whose_replace_was_stopped_holds_what_it_held_before():
    desk = Desk()
    entry, (profit, stop) = bracket(desk, quantity="60")
    desk.record(desk.report(entry, ReportKind.NEW), desk.trade(entry, "60"))
    desk.claim()
    desk.record(desk.report(profit, ReportKind.NEW), desk.report(stop, ReportKind.NEW))
    held = "SELECT price FROM positions_reservation WHERE account_id = %s"
    before = rows(held, desk.account)
    asked = ReplaceOrder(
        order_id=profit, account_id=desk.account, by=BY, correlation_id=uuid7(), requested_at=clock.now(),
        fields=ReplaceFields(limit_price=D(112)),
    )  # fmt: skip
    desk.show()
    assert services.order_replace(command=asked, at=clock.now()).status == "requested"
    assert rows(held, desk.account) != before
    kill_switch_latch(
        account_id=desk.account, instrument_id=None, venue="", reason="test", by=officer(), at=clock.now()
    )
    assert desk.claim() == []
    assert rows(held, desk.account) == before
    assert at_odds(desk) == []


@contextmanager
def tampered(desk, sql):
    """Change rows as nobody may: as the owner, past the triggers; and put all back."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL ROLE NONE")
            for table in ("audit_event", "orders_order"):
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            cursor.execute(sql, {"account": desk.account})
        yield
        transaction.set_rollback(True)


ORDERS = "account_id = %(account)s"
FILLS = "order_id IN (SELECT id FROM orders_order WHERE account_id = %(account)s)"
LAST = f"(SELECT id FROM orders_order WHERE {ORDERS} ORDER BY id DESC LIMIT 1)"
TAMPERINGS = [
    ("order", "filled_quantity", f"UPDATE orders_order SET filled_quantity = filled_quantity + 1 WHERE {ORDERS}"),
    ("order", "filled_value", f"UPDATE orders_order SET filled_value = filled_value + 1e-20 WHERE {ORDERS}"),
    ("order", "average_price", f"UPDATE orders_order SET average_price = 7 WHERE {ORDERS}"),
    ("order", "base", f"UPDATE orders_order SET base = 'suspended' WHERE id = {LAST}"),
    ("order", "is_closed", f"UPDATE orders_order SET is_closed = true WHERE id = {LAST}"),
    ("order", "worst_price", f"UPDATE orders_order SET worst_price = worst_price + 1 WHERE {ORDERS}"),
    ("order", "reasons", f"UPDATE orders_order SET reasons = '[{{}}]' WHERE {ORDERS}"),
    ("order", "routed_at", f"UPDATE orders_order SET routed_at = routed_at + interval '1 us' WHERE {ORDERS}"),
    ("order", "", f"DELETE FROM orders_order WHERE id = {LAST}"),
    ("execution", "price", f"UPDATE orders_execution SET price = price + 0.01 WHERE {FILLS}"),
    ("execution", "fee", f"UPDATE orders_execution SET fee = 9 WHERE {FILLS}"),
    ("execution", "is_live", f"UPDATE orders_execution SET is_live = NOT is_live WHERE {FILLS}"),
    ("execution", "", f"DELETE FROM orders_execution WHERE {FILLS}"),
    ("replace", "state", f"UPDATE orders_orderversion SET state = 'rejected' WHERE {ORDERS}"),
    ("replace", "was", f"UPDATE orders_orderversion SET was = '{{}}' WHERE {ORDERS}"),
    ("reservation", "quantity_left", f"UPDATE positions_reservation SET quantity_left = 1e6 WHERE {ORDERS}"),
    ("reservation", "", f"DELETE FROM positions_reservation WHERE {ORDERS}"),
    ("holding", "realised_pnl", f"UPDATE positions_holding SET realised_pnl = realised_pnl + 1 WHERE {ORDERS}"),
    ("holding", "average_cost", f"UPDATE positions_holding SET average_cost = average_cost + 1e-10 WHERE {ORDERS}"),
    ("cash", "balance", f"UPDATE positions_cashbalance SET balance = balance - 1e-10 WHERE {ORDERS}"),
    ("cash", "", f"DELETE FROM positions_cashbalance WHERE {ORDERS}"),
    ("account", "may_short", "UPDATE accounts_tradingaccount SET may_short = NOT may_short WHERE id = %(account)s"),
    ("log", "", f"DELETE FROM audit_event WHERE account_sequence = 5 AND {ORDERS}"),
    ("holding", "", f"DELETE FROM audit_event WHERE {ORDERS}"),
    ("log", "", f"UPDATE audit_event SET payload = '{{}}' WHERE account_sequence = 5 AND {ORDERS}"),
    (
        "order", "quantity",
        "UPDATE audit_event SET payload = payload || '{\"quantity\": \"999\"}' WHERE type = 'order.executed' "
        f"AND {ORDERS}",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "column", "sql"), TAMPERINGS)
def test_a_tampered_row_is_found_and_named(changed, kind, column, sql):
    with tampered(changed, sql):
        found = at_odds(changed)
        assert (kind, column) in {(each.kind, each.column) for each in found}
        assert {each.account_id for each in found} == {changed.account}


def test_a_past_moment_shows_what_was_then():
    desk = Desk()
    order_id = desk.working(quantity="10")
    before, last_event = clock.now(), rows("SELECT id FROM audit_event ORDER BY xid DESC, id DESC LIMIT 1")[0][0]
    stood = told(desk)
    with clock.frozen(before + timedelta(seconds=1)):
        desk.record(desk.trade(order_id, "10", "99", fee="1"))
    now = told(desk)
    assert told(desk, until=before) == told(desk, until_event=last_event) == stood
    assert [(each["base"], each["filled_quantity"]) for each in stood["order"]] == [("new", "0")]
    assert [each["quantity_left"] for each in stood["reservation"]] == ["10"]
    assert [each["balance"] for each in stood["cash"]] == ["1000000000"]
    assert "holding" not in stood
    assert [(each["base"], each["average_price"]) for each in now["order"]] == [("filled", "99")]
    assert "reservation" not in now
    assert [each["balance"] for each in now["cash"]] == ["999999009"]
    assert told(desk, until=before - timedelta(days=1)) == {}
    assert at_odds(desk) == []


def test_another_process_makes_what_this_one_makes(lived, monkeypatch):
    monkeypatch.setattr(sharing, "PAYS_FROM", 1)
    seen = []
    here, there = (
        list(accounts_told(Moment(lived.accounts), processes=number, progress=lambda *each: seen.append(each)))
        for number in (1, 2)
    )
    assert here == there
    assert here
    total = rows("SELECT count(*) FROM audit_event WHERE account_id = %s", lived.account)[0][0]
    assert seen == [(total, total)] * 2


def test_what_an_older_log_does_not_tell_is_named_and_not_held_against_the_tables(changed):
    older = """UPDATE audit_event SET version = 1, payload = payload
               - '{extended_hours,order_class,parent_id,leg,schedule,expires_at}'::text[]
               WHERE type = 'order.accepted' AND account_id = %(account)s AND NOT payload ? 'parent_id'"""
    desk = Desk()
    desk.working(quantity="10", time_in_force=TimeInForce.DAY)
    with tampered(desk, older):
        assert at_odds(desk) == []
        assert told(desk)["order"][0]["untold"] == sorted(
            ["expires_at", "extended_hours", "leg", "order_class", "parent_id", "schedule"]
        )


def test_the_command_prints_lines_and_compares(lived, tmp_path):
    out, account = StringIO(), str(lived.account)
    call_command("rebuild", "--account", account, stdout=out)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert {line["account_id"] for line in lines} == {account}
    call_command("rebuild", "--account", account, "--output", str(tmp_path / "told"))
    assert (tmp_path / "told").read_text() == out.getvalue()
    out = StringIO()
    call_command("rebuild", "--account", account, "--check", stdout=out)
    assert out.getvalue() == "The tables are what the log tells.\n"
    with (
        tampered(lived, f"UPDATE positions_cashbalance SET balance = 1 WHERE {ORDERS}"),
        pytest.raises(CommandError, match="in 1 places"),
    ):
        call_command("rebuild", "--account", account, "--check", stdout=out)
    assert "cash USD  balance: the log makes it 99999" in out.getvalue()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--as-of", "yesterday"], "neither an instant nor the id of an event"),
        (["--as-of", "2026-01-01T00:00:00"], "does not say its time zone"),
        (["--as-of", str(uuid7())], "There is no event"),
        (["--as-of", "2026-01-01T00:00:00Z", "--check"], "takes no --as-of"),
        (["--processes", "0"], "At least one process"),
    ],
)
def test_the_command_says_what_it_cannot_do(words, complaint):
    with pytest.raises(CommandError, match=complaint):
        call_command("rebuild", *words)


def test_a_log_that_cannot_be_followed_is_told_of_and_nothing_is_made_up(lived):
    gap = f"DELETE FROM audit_event WHERE account_sequence = 7 AND {ORDERS}"
    with tampered(lived, gap), pytest.raises(CommandError, match=r"cannot be followed: account .* comes after event 6"):
        call_command("rebuild", "--account", str(lived.account))


def test_accounts_are_shared_out_by_their_events():
    extents = [sharing.LogExtent(uuid7(), count) for count in (5, sharing.SHARE_EVENTS, 7, 9)]
    assert sharing.shares_of(extents) == [extents[:2], extents[2:]]
    assert sharing.shares_of(extents, are_neighbours=False) == [[each] for each in extents]
