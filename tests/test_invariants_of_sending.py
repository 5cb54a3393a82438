"""What was sent was approved and not killed: silent over what a gateway does, loud when it forgets."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction

from orders import services
from orders.domain.commands import StopLoss, TakeProfit
from orders.domain.reports import ReportKind
from orders.domain.types import IntentKind, OrderClass
from orders.services import sending
from orders.tests.desk import Desk
from orders.tests.replacing import ask
from risk.models import Decision
from risk.services import change_approve, kill_switch_latch, kill_switch_release_propose
from risk.tests.helpers import officer
from tests.corruptions import APPROVED, KILLED, LATCHED, LOGGED, SCOPES
from tests.seeded import corrupted, hits
from trading_portal.kernel import clock
from trading_portal.management.commands.check_invariants import invariants_check


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
    outcome = ask(desk, order_id, quantity=90)
    assert outcome.status == "requested"
    return outcome.version.public_id


def gateway_forgotten(monkeypatch):
    """Have the gateway let by whatever comes."""
    monkeypatch.setattr(sending, "orders_refused", lambda *_, **__: {})


def test_a_groups_legs_and_what_is_taken_from_an_exit_hang_on_the_decision_on_its_entry():
    desk = Desk()
    exits = {"take_profit": TakeProfit(limit_price=Decimal(110)), "stop_loss": StopLoss(stop_price=Decimal(90))}
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
