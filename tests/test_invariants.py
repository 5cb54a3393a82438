"""Every invariant is silent over sound rows, and finds the corruption it is there for."""

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts.services import accounts_lock, accounts_sequences_save
from audit.domain.types import NewEvent
from audit.services import events_append
from orders import services
from orders.domain import events
from orders.domain.commands import ReplaceFields, ReplaceOrder, StopLoss, TakeProfit
from orders.domain.reports import ReportKind
from orders.domain.types import IntentKind, OrderClass
from orders.models import Execution, Order, VenueIntent
from orders.services import sending
from orders.tests.desk import Desk
from positions.domain.types import FillFact, NewReservation, Side
from positions.services import fills_apply, reservations_open
from positions.tests.helpers import BY, new_account, new_instrument
from risk.models import Decision
from risk.services import change_approve, kill_switch_latch, kill_switch_release_propose
from risk.tests.helpers import officer
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7
from trading_portal.management.commands.check_invariants import INVARIANTS, invariants_check

D = Decimal


@dataclass
class Seeded:
    """One sound order, half filled, with its decision, intent, reservation, events, position and cash."""

    account_id: object
    instrument_id: object
    order_id: object
    execution_id: object
    client_order_id: str


def payload(kind, order_id, base, filled, **facts):
    common = {
        "order_id": str(order_id),
        "status": base,
        "base": base,
        "pending": "none",
        "is_unknown": False,
        "quantity": "10",
        "filled_quantity": filled,
        "leaves_quantity": str(10 - int(filled)),
        "average_price": None,
    }
    return kind(**common, **facts)


@pytest.fixture(scope="module")
def seeded(django_db_setup):
    account_id, instrument = new_account(("USD", "10000")), new_instrument()
    at, order_id, execution_id = clock.now(), uuid7(), uuid7()
    reported = {"venue": "paper", "venue_order_id": "1", "exec_id": None, "text": ""}
    executed = reported | {"exec_id": str(execution_id)}
    order = Order(
        id=order_id, account_id=account_id, instrument_id=instrument.id, client_order_id=str(order_id),
        command_hash=b"", side="buy", type="limit", time_in_force="gtc", quantity=D(10), limit_price=D(100),
        worst_price=D(100), base="partially_filled", filled_quantity=D(4), filled_value=D(396), average_price=D(99),
        venue="paper", source="api", correlation_id=order_id, event_sequence=4, placed_at=at, updated_at=at,
        routed_at=at, venue_order_id="1",
    )  # fmt: skip
    told = [
        payload(
            events.OrderAccepted, order_id, "accepted", "0", symbol=instrument.symbol, side="buy", order_type="limit",
            time_in_force="gtc", limit_price="100", stop_price=None, client_order_id=str(order_id), source="api",
            venue="paper", worst_price="100", due_at=at.isoformat(),
        ),
        payload(events.OrderRouted, order_id, "pending_new", "0", venue="paper", attempt=1),
        payload(events.OrderAcknowledged, order_id, "new", "0", **reported),
        payload(
            events.OrderExecuted, order_id, "partially_filled", "4", **executed, execution_id=str(execution_id),
            fill_quantity="4", fill_price="99", fee="1", currency="USD", position_quantity="4",
            position_average_cost="99", realised_pnl="0", cash="0", reserved_quantity="6",
        ),
    ]  # fmt: skip
    with transaction.atomic():
        locked = accounts_lock([account_id])
        owner_id = locked[account_id].owner_id
        order.save(force_insert=True)
        Decision.objects.create(
            order_id=order_id, account_id=account_id, instrument_id=instrument.id, is_approved=True, inputs={},
            checks=[], reasons=[], decided_at=at,
        )  # fmt: skip
        VenueIntent.objects.create(
            order=order, venue="paper", kind="submit", state="settled", attempts=1, due_at=at, sent_at=at, settled_at=at
        )
        Execution.objects.create(
            id=execution_id, order=order, account_id=account_id, venue="paper", exec_id=str(execution_id), kind="trade",
            quantity=D(4), price=D(99), fee=D(1), executed_at=at, recorded_at=at,
        )  # fmt: skip
        reservations_open(
            reservations=[
                NewReservation(order_id, account_id, instrument.id, owner_id, Side.BUY, D(6), D(100), D(100), "USD")
            ],
            at=at,
        )
        fills_apply(
            fills=[FillFact(execution_id, order_id, account_id, instrument.id, Side.BUY, D(4), D(99), D(1), "USD", at)],
            locked=locked,
            at=at,
        )
        events_append(
            events=[
                NewEvent(
                    stream=f"order:{order_id}", payload=each, actor=BY, correlation_id=order_id, valid_at=at,
                    account_id=account_id, account_sequence=locked.take_sequence(account_id), sequence=number,
                )
                for number, each in enumerate(told, 1)
            ],
            at=at,
        )  # fmt: skip
        accounts_sequences_save(locked)
    return Seeded(account_id, instrument.id, order_id, execution_id, str(order_id))


TABLES = ("audit_event", "orders_execution", "positions_ledgerline")


@contextmanager
def corrupted(seeded, sql):
    """Break rows as nobody may: as the owner, past the triggers; and put all back."""
    values = vars(seeded)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL ROLE NONE")
            for table in TABLES:
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            for statement in sql.split(";"):
                cursor.execute(statement, values)
        yield
        transaction.set_rollback(True)


def hits(seeded, code, sentence):
    return [
        hit
        for finding in invariants_check([code], [seeded.account_id])
        if finding.invariant.sentence == sentence
        for hit in finding.hits
    ]


EVENTS = "stream = 'order:' || %(order_id)s"
LOOSENED = """
INSERT INTO risk_changerequest (id, kind, target_id, target_version, account_id, before, after, reason, state,
                                proposed_by_id, proposed_at, decided_by_id, decided_at, decision_reason, reverts_at)
SELECT uuidv7(), 'limit', uuidv7(), 1, id, '{{}}', '{{}}', '', 'approved', owner_id, now(), owner_id, now(), '', {when}
FROM accounts_tradingaccount WHERE id = %(account_id)s
"""
VERSION = """
INSERT INTO orders_orderversion (id, order_id, account_id, number, client_order_id, command_hash, replaces, quantity,
                                 time_in_force, worst_price, reasons, state, requested_at)
VALUES (uuidv7(), %(order_id)s, %(account_id)s, 2, %(client_order_id)s, '', %(order_id)s, 1000, 'gtc', 100, '[]',
        '{state}', now())
"""
APPROVED = "nothing is sent without an earlier approval"
KILLED = "nothing but cancels is sent while its scope is killed"
LOGGED = "no order goes out between an account's switch and its release, as its log tells"
REPLACE_SENT = (
    VERSION.format(state="pending")
    + """;
INSERT INTO orders_venueintent (order_id, venue, kind, state, version_id, attempts, due_at, sent_at)
SELECT order_id, 'paper', 'replace', 'sent', id, 1, now(), now() + interval '1 hour' FROM orders_orderversion
WHERE order_id = %(order_id)s
"""
)
VERSION_DECIDED = """
INSERT INTO risk_decision (order_id, account_id, instrument_id, is_approved, inputs, checks, reasons, decided_at)
SELECT id, account_id, %(instrument_id)s, {approved}, '{{}}', '[]', '[]', now() FROM orders_orderversion
WHERE order_id = %(order_id)s
"""
# Account, instrument and venue: each alone, all together, and the firm.
SCOPES = ("account_id, NULL, ''", "NULL, instrument_id, ''", "NULL, NULL, venue", "account_id, instrument_id, venue",
          "NULL, NULL, ''")  # fmt: skip
LATCHED = """
INSERT INTO risk_killswitch (id, account_id, instrument_id, venue, reason, version, latched_by_id, latched_at,
                             released_at, released_by_id, orders_to_cancel)
SELECT uuidv7(), {scope}, 'x', 1, owner_id, routed_at + interval '{latched}', released_at,
       CASE WHEN released_at IS NOT NULL THEN owner_id END, 0
FROM orders_order JOIN (SELECT id AS owned, owner_id FROM accounts_tradingaccount) AS owned ON owned = account_id
CROSS JOIN LATERAL (SELECT ({released})::timestamptz AS released_at) AS release
WHERE id = %(order_id)s
"""
# The account's log says that its switch was latched, and then that its order went out.
TOLD_BEFORE = f"""
UPDATE audit_event SET account_sequence = 99 WHERE sequence = 2 AND {EVENTS};
INSERT INTO audit_event SELECT uuidv7(), xid, 'kill_switch:' || switch_id, 1, account_id, 98, 'kill_switch.latched',
    version, payload, actor, correlation_id, causation_id, valid_at, recorded_at
FROM audit_event CROSS JOIN (SELECT id AS switch_id FROM risk_killswitch WHERE account_id = %(account_id)s) AS switch
WHERE sequence = 2 AND {EVENTS}
"""
CORRUPTIONS = [
    (
        "I01", "net fills of an order >= 0, and > qty only where an over-fill anomaly names a fill of that trade",
        "UPDATE orders_execution SET quantity = 11 WHERE id = %(execution_id)s",
    ),
    ("I02", "cum = sum of live fills", "UPDATE orders_order SET filled_quantity = 5 WHERE id = %(order_id)s"),
    ("I02", "cum = sum of live fills", "UPDATE orders_order SET filled_value = 1 WHERE id = %(order_id)s"),
    ("I03", "exactly one event per fill", f"DELETE FROM audit_event WHERE sequence = 4 AND {EVENTS}"),
    (
        "I03", "exactly one event per fill",
        "INSERT INTO audit_event SELECT uuidv7(), xid, stream, 5, account_id, 99, type, version, payload, actor, "
        f"correlation_id, causation_id, valid_at, recorded_at FROM audit_event WHERE sequence = 4 AND {EVENTS}",
    ),
    ("I03", "exactly one event per fill", "DELETE FROM orders_execution WHERE id = %(execution_id)s"),
    (
        "I03", "exactly one event per fill",
        "UPDATE orders_execution SET account_id = uuidv7() WHERE id = %(execution_id)s",
    ),
    (
        "I04", "every acknowledged submit has its order and its first event",
        f"DELETE FROM audit_event WHERE sequence = 1 AND {EVENTS}",
    ),
    (
        "I04", "every acknowledged submit has its order and its first event",
        "DELETE FROM orders_execution WHERE id = %(execution_id)s; "
        "DELETE FROM orders_venueintent WHERE order_id = %(order_id)s; "
        "DELETE FROM orders_order WHERE id = %(order_id)s",
    ),
    (
        "I05", "event sequence per order 1..n without a gap",
        f"DELETE FROM audit_event WHERE sequence = 3 AND {EVENTS}",
    ),
    (
        "I05", "event sequence per order 1..n without a gap",
        f"DELETE FROM audit_event WHERE sequence = 4 AND {EVENTS}",
    ),
    (
        "I05", "event sequence per account 1..n without a gap",
        f"DELETE FROM audit_event WHERE sequence = 2 AND {EVENTS}",
    ),
    (
        "I06", "only moves in the table",
        """UPDATE audit_event SET payload = payload || '{"base": "filled"}' WHERE sequence = 3 AND """ + EVENTS,
    ),
    ("I06", "only moves in the table", f"DELETE FROM audit_event WHERE sequence = 2 AND {EVENTS}"),
    (
        "I06", "only moves in the table",
        f"UPDATE audit_event SET payload = payload - 'fill_quantity' WHERE sequence = 4 AND {EVENTS}",
    ),
    (
        "I07", "every order row = what its last event left",
        "UPDATE orders_order SET base = 'filled' WHERE id = %(order_id)s",
    ),
    (
        "I07", "orders, replaces, fills, reservations, holdings and cash = the fold of their events",
        "UPDATE positions_holding SET realised_pnl = 1 WHERE account_id = %(account_id)s",
    ),
    (
        "I08", "position = sum of its fills",
        "UPDATE positions_holding SET quantity = 5 WHERE account_id = %(account_id)s",
    ),
    ("I08", "position = sum of its fills", "DELETE FROM positions_holding WHERE account_id = %(account_id)s"),
    (
        "I08", "cash made by an order = sum of its fills",
        "UPDATE positions_ledgerline SET amount = amount * 2 WHERE transaction_id = %(execution_id)s",
    ),
    (
        "I08", "cash made by an order = sum of its fills",
        "DELETE FROM positions_ledgerline WHERE transaction_id = %(execution_id)s",
    ),
    (
        "I09", "each ledger transaction sums to zero per currency",
        "UPDATE positions_ledgerline SET currency = 'EUR' WHERE book = 'fees' "
        "AND transaction_id = %(execution_id)s",
    ),
    (
        "I10", "balance = sum of its ledger lines",
        "UPDATE positions_cashbalance SET balance = balance + 0.0000000001 WHERE account_id = %(account_id)s",
    ),
    (
        "I10", "balance = sum of its ledger lines",
        "DELETE FROM positions_cashbalance WHERE account_id = %(account_id)s",
    ),
    (
        "I11", "no approval raised exposure above the limit version it names",
        """UPDATE risk_decision SET checks = '[{"rule": "max_notional", "value": "100.01", "limit": "100"}]' """
        "WHERE order_id = %(order_id)s",
    ),
    ("I12", APPROVED, "DELETE FROM risk_decision WHERE order_id = %(order_id)s"),
    ("I12", APPROVED, "UPDATE risk_decision SET is_approved = false WHERE order_id = %(order_id)s"),
    (
        "I12", APPROVED,
        "UPDATE risk_decision SET decided_at = decided_at + interval '1 us' WHERE order_id = %(order_id)s",
    ),
    # Sent first before it was approved, and again after it; and only an intent that says that it was sent at all.
    (
        "I12", APPROVED,
        "UPDATE risk_decision SET decided_at = decided_at + interval '1 second' WHERE order_id = %(order_id)s; "
        "UPDATE orders_venueintent SET sent_at = sent_at + interval '1 minute' WHERE order_id = %(order_id)s",
    ),
    (
        "I12", APPROVED,
        "DELETE FROM risk_decision WHERE order_id = %(order_id)s; "
        "UPDATE orders_order SET routed_at = NULL WHERE id = %(order_id)s",
    ),
    ("I12", APPROVED, REPLACE_SENT),
    ("I12", APPROVED, REPLACE_SENT + "; " + VERSION_DECIDED.format(approved="false")),
    *[("I12", KILLED, LATCHED.format(scope=scope, latched="-1 hour", released="NULL")) for scope in SCOPES],
    (
        "I12", KILLED,
        LATCHED.format(scope=SCOPES[0], latched="-62 seconds", released="routed_at + interval '62 seconds'"),
    ),
    # Sent while it was killed, then again once it was not.
    (
        "I12", KILLED,
        LATCHED.format(scope=SCOPES[0], latched="-1 hour", released="routed_at + interval '1 hour'")
        + "; UPDATE orders_venueintent SET sent_at = sent_at + interval '2 hours' WHERE order_id = %(order_id)s",
    ),
    (
        "I12", KILLED,
        REPLACE_SENT + "; " + VERSION_DECIDED.format(approved="true") + "; "
        + LATCHED.format(scope=SCOPES[0], latched="1 second", released="NULL"),
    ),
    ("I12", LOGGED, LATCHED.format(scope=SCOPES[0], latched="0", released="NULL") + "; " + TOLD_BEFORE),
    (
        "I13", "a terminal order holds no reservation",
        "UPDATE orders_order SET base = 'canceled' WHERE id = %(order_id)s",
    ),
    (
        "I13", "an open or unknown buy holds >= leaves x worst price, a sell >= leaves shares",
        "DELETE FROM positions_reservation WHERE order_id = %(order_id)s",
    ),
    (
        "I13", "an open or unknown buy holds >= leaves x worst price, a sell >= leaves shares",
        "UPDATE positions_reservation SET quantity_left = 5 WHERE order_id = %(order_id)s",
    ),
    (
        "I13", "an open or unknown buy holds >= leaves x worst price, a sell >= leaves shares",
        "UPDATE positions_reservation SET price = 99 WHERE order_id = %(order_id)s",
    ),
    (
        "I13", "the working exits of a group hold what either may still trade, once",
        "WITH gone AS (DELETE FROM positions_reservation WHERE order_id = %(order_id)s) "
        "UPDATE orders_order SET order_class = 'oco' WHERE id = %(order_id)s",
    ),
    (
        "I20", "every loosened limit has two different people, and reverted when due",
        "ALTER TABLE risk_changerequest DROP CONSTRAINT change_approved_by_another_person; "
        + LOOSENED.format(when="NULL"),
    ),
    (
        "I20", "every loosened limit has two different people, and reverted when due",
        "ALTER TABLE risk_changerequest DROP CONSTRAINT change_approved_by_another_person; "
        + LOOSENED.format(when="now() - interval '1 hour'"),
    ),
    (
        "I16", "one key, one order",
        VERSION.format(state="rejected"),
    ),
    (
        "I07", "an order is what its last accepted replace made it, and waits while one is pending",
        VERSION.format(state="pending"),
    ),
    (
        "I07", "an order is what its last accepted replace made it, and waits while one is pending",
        VERSION.format(state="accepted"),
    ),
    (
        "I07", "an order is what its last accepted replace made it, and waits while one is pending",
        "UPDATE orders_order SET version_id = uuidv7() WHERE id = %(order_id)s",
    ),
    ("I13", "a pending replace holds what it asks for", VERSION.format(state="pending")),
    (
        "I19", "every trade, bust and correction in a venue's drop copy is recorded",
        "INSERT INTO orders_paperreport (venue, order_id, exec_id, kind, quantity, price, fee, reason, executed_at) "
        "SELECT venue, id, 'not-recorded', 'trade', 1, 99, 0, '', now() - interval '1 hour' "
        "FROM orders_order WHERE id = %(order_id)s",
    ),
    (
        "I19", "every fill of an order that a drop copy knows is in it, as it was traded",
        "INSERT INTO orders_paperreport (venue, order_id, exec_id, kind, quantity, price, fee, reason, executed_at) "
        "SELECT venue, id, 'not-recorded', 'trade', 1, 99, 0, '', now() - interval '1 hour' "
        "FROM orders_order WHERE id = %(order_id)s",
    ),
]  # fmt: skip


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


def sends(desk):
    """Return what the checks of what was sent find, by their sentences."""
    return {finding.invariant.sentence: finding.hits for finding in invariants_check(("I12",), desk.accounts)}


SILENT = {APPROVED: [], KILLED: [], LOGGED: []}


def latched(desk, at=None, **scope):
    """Latch a switch, for the account unless told otherwise; `at` is what the clock of whoever does it said."""
    scope = scope or {"account_id": desk.account}
    everything = {"account_id": None, "instrument_id": None, "venue": ""}
    return kill_switch_latch(**everything | scope, reason="test", by=officer(), at=at or clock.now()).kill_switch_id


def released(switch_id):
    asked = kill_switch_release_propose(kill_switch_id=switch_id, reason="over", by=officer(), at=clock.now())
    change_approve(change_id=asked.change_id, by=officer(), at=clock.now())


def replace_asked(desk, order_id):
    command = ReplaceOrder(
        order_id=order_id, account_id=desk.account, fields=ReplaceFields(quantity=D(90)), by=BY,
        correlation_id=uuid7(), requested_at=clock.now(),
    )  # fmt: skip
    desk.show()
    outcome = services.order_replace(command=command, at=clock.now())
    assert outcome.status == "requested"
    return outcome.version.public_id


def gateway_forgotten(monkeypatch):
    """Have the gateway let by whatever comes."""
    monkeypatch.setattr(sending, "orders_refused", lambda *_, **__: {})


def test_a_groups_legs_and_what_is_taken_from_an_exit_hang_on_the_decision_on_its_entry():
    desk = Desk()
    exits = {"take_profit": TakeProfit(limit_price=D(110)), "stop_loss": StopLoss(stop_price=D(90))}
    entry = desk.sent(quantity="10", order_class=OrderClass.BRACKET, **exits)
    desk.record(desk.trade(entry, "10"))
    profit, stop = (message.order_id for message in desk.claim())
    # Part of the take-profit trades: the stop is asked for less, by a replace that nobody judged.
    desk.record(desk.report(profit, ReportKind.NEW), desk.report(stop, ReportKind.NEW))
    desk.record(desk.trade(profit, "4", "110"))
    (message,) = desk.claim()
    assert (message.kind, message.order_id) == (IntentKind.REPLACE, stop)
    assert sends(desk) == SILENT
    with transaction.atomic():
        Decision.objects.filter(order_id=entry).update(is_approved=False)
        assert {hit[2] for hit in sends(desk)[APPROVED]} == {entry, profit, stop, message.terms.version_id}
        transaction.set_rollback(True)


def test_replaces_and_what_is_sent_again_were_approved():
    desk = Desk()
    replaced, again = desk.working(quantity="20"), desk.sent(quantity="30")
    replace_asked(desk, replaced)
    kinds = [IntentKind.SUBMIT]
    services.sends_retry(venue=desk.venue, order_ids=[again], kinds=kinds, fence=None, at=clock.now())
    assert [message.kind for message in desk.claim()] == [IntentKind.REPLACE, IntentKind.SUBMIT]
    assert sends(desk) == SILENT


def test_a_gateway_that_minds_switches_breaks_nothing():
    desk = Desk()
    working, waiting = desk.working(quantity="10"), desk.accepted(quantity="20")
    replace_asked(desk, working)
    switch_id = latched(desk)
    later = clock.now() + timedelta(minutes=2)
    assert desk.claim(at=later) == []
    desk.cancel(working)
    assert [message.kind for message in desk.claim(at=later)] == [IntentKind.CANCEL]
    assert sends(desk) == SILENT
    released(switch_id)
    desk.sent(quantity="30")
    assert desk.status(waiting) == "rejected"
    assert sends(desk) == SILENT


def test_clocks_read_before_a_lock_was_waited_for_break_nothing():
    desk = Desk()
    before = clock.now()
    first, second = desk.sent(quantity="10"), desk.accepted(quantity="20")
    then = clock.now()
    # The switch was in nobody's way: stored only after one order went, and gone when the other did.
    released(latched(desk, before))
    assert [message.order_id for message in desk.claim(at=then)] == [second]
    assert desk.order(first).routed_at > before
    assert sends(desk) == SILENT


def test_a_gateway_that_forgets_an_accounts_switch_is_found_at_once(monkeypatch):
    desk = Desk()
    order_id = desk.accepted()
    switch_id = latched(desk)
    gateway_forgotten(monkeypatch)
    assert len(desk.claim()) == 1
    found = sends(desk)
    released(switch_id)
    desk.sent()
    assert [hit[1] for hit in found.pop(LOGGED)] == [order_id]
    assert found == {APPROVED: [], KILLED: []}
    assert [hit[1] for hit in sends(desk)[LOGGED]] == [order_id]


@pytest.mark.parametrize("scope", ["account", "instrument", "venue"])
def test_a_gateway_that_forgets_a_switch_is_found_for_orders_and_replaces_alike(monkeypatch, scope):
    desk, bystander = Desk(), Desk()
    working, waiting = desk.working(quantity="10"), desk.accepted(quantity="20")
    version_id = replace_asked(desk, working)
    scopes = {
        "account": {"account_id": desk.account},
        "instrument": {"instrument_id": desk.instrument.id},
        "venue": {"venue": desk.venue},
    }
    latched(desk, **scopes[scope])
    gateway_forgotten(monkeypatch)
    assert len(desk.claim(at=clock.now() + timedelta(minutes=2))) == 2
    bystander.sent()
    found = sends(desk)
    assert {hit[2] for hit in found[KILLED]} == {version_id, waiting}
    assert found[APPROVED] == []
    assert sends(bystander) == SILENT


@pytest.mark.parametrize(
    "sql",
    [
        LATCHED.format(scope="uuidv7(), NULL, ''", latched="-1 hour", released="NULL"),
        LATCHED.format(scope="account_id, uuidv7(), ''", latched="-1 hour", released="NULL"),
        LATCHED.format(scope="account_id, NULL, 'other'", latched="-1 hour", released="NULL"),
        LATCHED.format(scope=SCOPES[0], latched="1 us", released="NULL"),
        LATCHED.format(scope=SCOPES[0], latched="-1 hour", released="routed_at"),
    ],
)
def test_a_switch_of_another_scope_or_time_is_no_breach(seeded, sql):
    with corrupted(seeded, sql):
        assert not hits(seeded, "I12", KILLED)


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
