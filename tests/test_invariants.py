"""Every invariant is silent over sound rows, and finds the corruption it is there for."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from orders import services
from orders.domain.reports import ReportKind
from orders.tests.desk import Desk
from positions.domain.types import Side
from tests.corruptions import CORRUPTIONS, EVENTS
from tests.seeded import corrupted, hits
from trading_portal.kernel import clock
from trading_portal.management.commands.check_invariants import INVARIANTS, invariants_check


@pytest.mark.parametrize(("code", "sentence", "sql"), CORRUPTIONS)
def test_a_seeded_corruption_is_found(seeded, code, sentence, sql):
    with corrupted(seeded, sql):
        assert hits(seeded, code, sentence)
    assert hits(seeded, code, sentence) == []


def test_every_invariant_has_a_corruption_that_it_finds():
    assert {(each.code, each.sentence) for each in INVARIANTS} == {each[:2] for each in CORRUPTIONS}


def test_sound_rows_break_nothing(seeded):
    assert [finding for finding in invariants_check(accounts=[seeded.account_id]) if finding.hits] == []


def test_orders_that_lived_through_everything_break_nothing():
    desk = Desk()
    filled, cancelled, over, late, restated, lost, refused = (desk.working(quantity=str(n)) for n in range(10, 17))
    desk.cancel(desk.accepted(quantity="18"))
    desk.place_all([desk.command(quantity="1e12")])
    desk.record(desk.trade(filled, "4", "99.123456789"), desk.trade(filled, "6", "98", fee="1.25"))
    desk.cancel(cancelled)
    desk.record(
        desk.trade(cancelled, "0.3333333333", "99.9999999999"),
        desk.report(cancelled, ReportKind.CANCELED),
        desk.trade(over, "13"),
        desk.report(late, ReportKind.EXPIRED),
        desk.trade(late, "2"),
        desk.report(filled, ReportKind.SUSPENDED),
    )
    wrong, gone = desk.trade(restated, "5", "97"), desk.trade(restated, "3", "96", fee="2")
    desk.record(wrong, gone)
    correction = desk.report(
        restated, ReportKind.TRADE_CORRECT, ref_exec_id=wrong.exec_id, quantity="4", price="95", fee="1"
    )
    desk.record(correction, desk.report(restated, ReportKind.TRADE_CANCEL, ref_exec_id=gone.exec_id))
    silent = desk.sent(quantity="19")
    services.orders_unknown_mark(venue=desk.venue, sent_before=clock.now(), fence=None, at=clock.now())
    desk.record(desk.report(silent, ReportKind.STATUS_UNKNOWN_ORDER))
    desk.record(desk.trade(lost, "1", "94.5"), desk.report(refused, ReportKind.REJECTED, reason="no"))
    desk.record(desk.trade(desk.working(quantity="8", side=Side.SELL, limit_price="101"), "8", "101"))
    desk.accepted(quantity="17")
    assert [(f.invariant, f.hits) for f in invariants_check(accounts=desk.accounts) if f.hits] == []
    assert len(desk.parked()) == 1


def test_an_over_fill_that_an_anomaly_names_is_no_breach_and_without_it_is(seeded):
    over = "UPDATE orders_execution SET quantity = 11 WHERE id = %(execution_id)s"
    named = (
        """UPDATE audit_event SET type = 'order.anomaly',
        payload = payload || '{"reason": {"code": "OVER_FILL", "facts": {}}}' WHERE sequence = 4 AND """
        + EVENTS
    )
    sentence = next(each.sentence for each in INVARIANTS if each.code == "I01")
    with corrupted(seeded, over):
        assert hits(seeded, "I01", sentence)
    with corrupted(seeded, over + ";" + named):
        assert not hits(seeded, "I01", sentence)


def test_the_command_prints_a_line_for_each_and_fails_on_a_hit(seeded):
    out = StringIO()
    call_command("check_invariants", "I09", stdout=out)
    assert out.getvalue() == "I09  holds: each ledger transaction sums to zero per currency\n"
    broken = "UPDATE positions_cashbalance SET balance = balance + 1 WHERE account_id = %(account_id)s"
    with corrupted(seeded, broken), pytest.raises(CommandError, match=r"Broken: I10\."):
        call_command("check_invariants", "I09", "i10", "--account", str(seeded.account_id), stdout=out)
    assert "I10  BROKEN, 1 place: balance = sum of its ledger lines" in out.getvalue()
    assert str(seeded.account_id) in out.getvalue()


def test_an_invariant_that_is_not_there_is_named():
    with pytest.raises(CommandError, match="There is no invariant I99"):
        call_command("check_invariants", "I99")


def test_checks_read_and_never_write(seeded):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        before = cursor.fetchone()[0]
        invariants_check()
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        assert cursor.fetchone()[0] == before + 1


def test_an_over_fill_stays_explained_when_its_trade_is_corrected_again_and_again():
    desk = Desk(cash="1000000")
    order_id = desk.working(quantity="10")
    trade = desk.trade(order_id, "15")
    up = desk.report(order_id, ReportKind.TRADE_CORRECT, ref_exec_id=trade.exec_id, quantity="16", price="100")
    down = desk.report(order_id, ReportKind.TRADE_CORRECT, ref_exec_id=up.exec_id, quantity="12", price="100")
    desk.record(trade, up, down)
    assert desk.order(order_id).filled_quantity == 12
    assert [finding.hits for finding in invariants_check(("I01",), desk.accounts)] == [[]]
