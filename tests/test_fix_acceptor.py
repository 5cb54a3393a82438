"""Partners over FIX 4.4: a real QuickFIX initiator in its own process speaks to the acceptor's process on loopback."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from accounts.services import api_key_revoke
from orders.domain.reports import ReportKind, Restatement
from orders.gateways.fix.wire import encode, fields_of
from orders.models import FixSession
from orders.selectors.fix import order_id_of_client_order_id
from orders.tests.api import new_caller
from orders.tests.desk import rows
from positions.tests.helpers import BY
from tests.fix import HOST, Acceptor, FixDesk, Partner, relaying, stamp, until
from trading_portal.kernel import clock
from trading_portal.running.layout import DataFolder
from trading_portal.running.table import programs

pytest.importorskip("quickfix")
pytestmark = pytest.mark.django_db

Connect = Callable[..., tuple[FixDesk, Partner]]


@pytest.fixture(scope="module")
def acceptor(tmp_path_factory: Any) -> Iterator[Acceptor]:
    running = Acceptor(tmp_path_factory.mktemp("acceptor"))
    with relaying():
        yield running
    running.stop()


@pytest.fixture
def connect(acceptor: Acceptor, tmp_path: Path) -> Iterator[Connect]:
    """Give a desk with its partner logged on; log out at the end."""
    partners: list[Partner] = []

    def connected(*logon: str, **options: Any) -> tuple[FixDesk, Partner]:
        desk = FixDesk(**options)
        partners.append(desk.partner(acceptor, tmp_path, *logon))
        return desk, partners[-1].until_logged_on()

    yield connected
    for partner in partners:
        partner.kill()


@pytest.fixture(scope="module")
def trading(acceptor: Acceptor, tmp_path_factory: Any) -> Iterator[tuple[FixDesk, Partner]]:
    """Give a desk with its partner logged on, for tests that look at orders of their own alone."""
    desk = FixDesk()
    partner = desk.partner(acceptor, tmp_path_factory.mktemp("partner")).until_logged_on()
    yield desk, partner
    partner.kill()


def test_an_order_is_acknowledged_filled_and_told_at_each_step(trading):
    desk, partner = trading
    name = desk.send(partner, _38="10")
    pending = partner.until_told(name, _150="A")
    assert (pending["39"], pending["151"], pending["14"]) == ("A", "10", "0")
    order_id = desk.order_id(name)
    desk.claim()
    desk.record(desk.report(order_id, ReportKind.NEW))
    partner.until_told(name, _150="0", _39="0")
    desk.record(desk.trade(order_id, "4", "99.5"))
    partial = partner.until_told(name, _150="F", _39="1")
    assert (partial["32"], partial["31"], partial["14"], partial["151"], partial["6"]) == (
        "4",
        "99.5",
        "4",
        "6",
        "99.5",
    )
    desk.record(desk.trade(order_id, "6", "100"))
    filled = partner.until_told(name, _150="F", _39="2")
    assert (filled["14"], filled["151"], filled["6"]) == ("10", "0", "99.8")
    assert filled["37"] == pending["37"] == str(order_id)
    assert len({each["17"] for each in partner.reports(name)}) == 4


# Who is let in


@pytest.mark.parametrize(
    ("options", "secret", "why"),
    [
        ({}, "wrong", "not accepted"),
        ({"scopes": ["account:read"]}, "", "SCOPE_MISSING|may not"),
        ({"allowed_networks": ["203.0.113.0/24"]}, "", "127.0.0.1"),
    ],
)
def test_a_key_that_may_not_trade_from_here_is_told_why_and_touches_no_session(
    acceptor, tmp_path, options, secret, why
):
    desk = FixDesk(**options)
    partner = desk.partner(acceptor, tmp_path, secret=secret)
    try:
        goodbye = until(lambda: [each for each in partner.all("admin") if each["35"] == "5"], lambda: partner.told)[0]
        assert re.search(why, goodbye["58"])
        assert partner.happened("logon") == 0
        assert not FixSession.objects.filter(key__key_id=desk.caller.key_id).exists()
    finally:
        partner.kill()


def test_a_key_has_one_session_at_a_time(acceptor, connect, tmp_path):
    desk, partner = connect()
    second = desk.partner(acceptor, tmp_path / "second")
    try:
        refused = until(lambda: [each for each in second.all("admin") if each["35"] == "5"])[0]
        assert "logged on already" in refused["58"]
        name = desk.send(partner)
        partner.until_told(name, _150="A")
    finally:
        second.kill()


def revoke(caller):
    api_key_revoke(key_id=caller.key_id, by=BY, at=clock.now())


def shut_out(caller):
    person = get_user_model().objects.get(api_keys__key_id=caller.key_id)
    person.is_active = False
    person.save()


@pytest.mark.parametrize("withdraw", [revoke, shut_out])
def test_a_key_that_is_withdrawn_is_logged_out_at_once(connect, withdraw):
    desk, partner = connect()
    withdraw(desk.caller)
    goodbye = until(lambda: [each for each in partner.all("admin") if each["35"] == "5"], seconds=3)[0]
    assert "not accepted" in goodbye["58"]


def test_what_is_no_logon_is_answered_with_a_logout(acceptor):
    text = encode([(35, "D"), (34, "1"), (49, "nobody"), (52, stamp()), (56, "PORTAL")])
    with socket.create_connection((HOST, acceptor.port), 5) as line:
        line.sendall(b"GET / HTTP/1.1\r\n\r\n" + text.encode())
        line.settimeout(5)
        answer = fields_of(line.recv(4096).decode())
    assert answer[35] == "5"
    assert "Logon" in answer[58]


# What is refused, and how


def test_an_order_that_risk_refuses_is_rejected_with_code_and_sentence(trading):
    desk, partner = trading
    name = desk.send(partner, _38="10", _44="250")
    refused = partner.until_told(name, _150="8", _39="8")
    assert re.match(r"PRICE_OUTSIDE_COLLAR: The price 250 is worse than", refused["58"])
    assert refused["103"] == "99"
    assert refused["37"] == str(desk.order_id(name))


NO_ORDERS = [
    ({"_55": "NOSUCH"}, "1", "SYMBOL_UNKNOWN"),
    ({"_38": "0"}, "99", r"FIELD_NOT_POSITIVE: OrderQty \(38\)"),
    ({"_40": "1"}, "99", "LIMIT_PRICE_NOT_ALLOWED"),
    ({"_18": "G"}, "11", "FIELD_NOT_SUPPORTED"),
    ({"_1": "another"}, "15", "ACCOUNT_NOT_FOUND"),
    ({"_59": "6"}, "99", "FIELD_REQUIRED: ExpireTime"),
    ({"_100": "nowhere"}, "99", "VENUE_UNKNOWN"),
]


def test_an_order_that_is_none_is_rejected_and_not_stored(trading):
    desk, partner = trading
    for changes, code, text in NO_ORDERS:
        name = desk.send(partner, **changes)
        refused = partner.until_told(name, _150="8")
        assert (refused["103"], refused["37"]) == (code, "NONE"), refused
        assert re.search(text, refused["58"])
        assert order_id_of_client_order_id(desk.account, name) is None


MALFORMED = [
    ({"_54": None}, "1", "54"),
    ({"_54": "9"}, "5", "54"),
    ({"_38": "1e5"}, "6", "38"),
    ({"_111": "5"}, "0", "111"),
]


def test_a_malformed_message_is_rejected_by_its_session(trading):
    desk, partner = trading
    for changes, _, _ in MALFORMED:
        desk.send(partner, **changes)
    until(lambda: sum(each["35"] == "3" for each in partner.all("admin")) == len(MALFORMED))
    rejects = [each for each in partner.all("admin") if each["35"] == "3"]
    assert [(each["373"], each["371"], each["372"]) for each in rejects] == [
        (reason, tag, "D") for _, reason, tag in MALFORMED
    ]
    partner.until_told(desk.send(partner), _150="A")


def test_a_rate_that_is_used_up_refuses_orders_and_never_cancels(connect):
    desk, partner = connect(orders_per_minute=1)
    name, order_id = desk.working_order(partner)
    refused = partner.until_told(desk.send(partner), _150="8")
    assert "RATE_LIMITED" in refused["58"]
    partner.send("F", _11=desk.name(), _41=name, _55=desk.symbol, _54="1", _60=stamp())
    until(lambda: desk.status(order_id) == "pending_cancel")


# The same order twice


def test_the_same_order_again_is_answered_with_how_it_stands_and_another_one_is_refused(trading):
    desk, partner = trading
    name = desk.send(partner, _38="7", _44="100.5")
    partner.until_told(name, _150="A")
    desk.send(partner, _11=name, _38="7", _44="100.5")
    partner.until_told(name, _150="I", _39="A", _38="7")
    desk.send(partner, _11=name, _38="8", _44="100.5")
    partner.until_told(name, _150="8", _103="6")
    assert rows("SELECT count(*) FROM orders_order WHERE client_order_id = %s", name) == [(1,)]


# Cancels


def test_a_cancel_is_pending_and_then_done_under_its_own_id(trading):
    desk, partner = trading
    name, order_id = desk.working_order(partner)
    cancel = desk.name()
    partner.send("F", _11=cancel, _41=name, _55=desk.symbol, _54="1", _60=stamp())
    partner.until_told(cancel, _150="6", _39="6", _41=name)
    desk.record(desk.report(order_id, ReportKind.CANCELED))
    partner.until_told(cancel, _150="4", _39="4", _41=name, _151="0")
    late = desk.name()
    partner.send("F", _11=late, _41=name, _55=desk.symbol, _54="1", _60=stamp())
    partner.until_told(late, _35="9", _434="1", _102="0", _39="4")


def test_a_cancel_that_the_venue_refuses_is_told_as_a_reject_of_that_cancel(trading):
    desk, partner = trading
    name, order_id = desk.working_order(partner)
    cancel = desk.name()
    partner.send("F", _11=cancel, _41=name, _55=desk.symbol, _54="1", _60=stamp())
    partner.until_told(cancel, _150="6")
    second = desk.name()
    partner.send("F", _11=second, _41=name, _55=desk.symbol, _54="1", _60=stamp())
    partner.until_told(second, _35="9", _102="3", _39="6")
    desk.record(desk.report(order_id, ReportKind.CANCEL_REJECTED, reason="too late"))
    refused = partner.until_told(cancel, _35="9", _434="1", _39="0", _41=name)
    assert refused["58"] == "too late"


def test_a_cancel_of_an_order_that_is_not_there_is_rejected(trading):
    desk, partner = trading
    cancel = desk.name()
    partner.send("F", _11=cancel, _41="no such", _55=desk.symbol, _54="1", _60=stamp())
    partner.until_told(cancel, _35="9", _102="1", _37="NONE", _39="8")


def test_a_cancel_asked_elsewhere_is_told_under_the_orders_own_id(trading):
    desk, partner = trading
    name, order_id = desk.working_order(partner)
    desk.cancel(order_id)
    told = partner.until_told(name, _150="6")
    assert "41" not in told
    desk.record(desk.report(order_id, ReportKind.CANCEL_REJECTED))
    desk.record(desk.report(order_id, ReportKind.CANCELED))
    partner.until_told(name, _150="4")
    assert not [each for each in partner.reports(name) if each["35"] == "9"]


def test_a_mass_cancel_reaches_every_open_order_of_the_key(connect):
    desk, partner = connect()
    names = [desk.working_order(partner)[0] for _ in range(2)]
    elsewhere = desk.accepted()
    partner.send("q", _11="all", _530="7", _60=stamp())
    partner.until_told("all", _35="r", _531="7", _533="2")
    for name in names:
        partner.until_told(name, _150="6")
    assert desk.status(elsewhere) == "accepted"
    partner.send("q", _11="none", _530="1", _55="NOSUCH", _60=stamp())
    partner.until_told("none", _35="r", _531="0", _532="1", _533="0")


# Status


def test_the_status_of_an_order_is_told_when_asked(connect):
    desk, partner = connect()
    name, order_id = desk.working_order(partner, _38="5")
    desk.record(desk.trade(order_id, "2"))
    partner.until_told(name, _150="F")
    partner.send("H", _11=name, _55=desk.symbol, _54="1", _790="q1")
    partner.until_told(name, _150="I", _39="1", _14="2", _151="3", _790="q1")
    partner.send("H", _11="no such", _55=desk.symbol, _54="1")
    partner.until_told("no such", _150="I", _39="8", _103="5")
    partner.send("AF", _584="m1", _585="7")
    told = partner.until_told(_584="m1")
    assert (told["11"], told["911"], told["912"]) == (name, "1", "Y")


# What the log says of fills


def test_a_bust_and_a_correction_name_the_fill_they_speak_of(trading):
    desk, partner = trading
    name, order_id = desk.working_order(partner, _38="10")
    first, second = desk.trade(order_id, "4", "99"), desk.trade(order_id, "3", "99")
    desk.record(first, second)
    fills = [partner.until_told(name, _150="F", _32=quantity) for quantity in ("4", "3")]
    desk.record(desk.report(order_id, ReportKind.TRADE_CANCEL, ref_exec_id=first.exec_id))
    bust = partner.until_told(name, _150="H", _19=fills[0]["17"])
    assert (bust["32"], bust["14"], bust["151"]) == ("4", "3", "7")
    desk.record(desk.report(order_id, ReportKind.TRADE_CORRECT, ref_exec_id=second.exec_id, quantity="3", price="98"))
    corrected = partner.until_told(name, _150="G", _19=fills[1]["17"])
    assert (corrected["31"], corrected["6"]) == ("98", "98")


def test_a_halt_and_its_end_and_the_end_of_an_order_are_told(trading):
    desk, partner = trading
    name, order_id = desk.working_order(partner, _38="10")
    desk.record(desk.report(order_id, ReportKind.SUSPENDED))
    partner.until_told(name, _150="9", _39="9")
    desk.record(desk.report(order_id, ReportKind.RESTATED, restatement=Restatement.RELEASE))
    partner.until_told(name, _150="D", _39="0", _378="8")
    desk.record(desk.report(order_id, ReportKind.EXPIRED))
    partner.until_told(name, _150="C", _39="C", _151="0")


def test_orders_of_other_keys_are_told_only_to_who_asks_for_the_whole_account(connect, acceptor, tmp_path):
    desk, partner = connect()
    other = new_caller(account_id=desk.account)
    watching = Partner(acceptor, other, tmp_path / "watching", "20002=Y").until_logged_on()
    try:
        name = desk.send(partner)
        partner.until_told(name, _150="A")
        watching.until_told(name, _150="A")
        mine = desk.send(watching)
        watching.until_told(mine, _150="A")
        partner.until_told(desk.send(partner), _150="A")
        assert partner.reports(mine) == []
    finally:
        watching.kill()


# Replaces


def test_a_replace_is_pending_and_then_done_under_its_own_id(trading):
    desk, partner = trading
    name, order_id = desk.working_order(partner, _38="10")
    replace = desk.name()
    desk.replace(partner, replace, name, _38="12", _44="99")
    pending = partner.until_told(replace, _150="E", _39="E", _41=name)
    assert pending["38"] == "10"
    desk.claim()
    desk.record(desk.report(order_id, ReportKind.REPLACED, quantity="12", price="99"))
    done = partner.until_told(replace, _150="5", _39="0", _41=name)
    assert (done["38"], done["44"], done["151"]) == ("12", "99", "12")
    desk.record(desk.trade(order_id, "12", "99"))
    partner.until_told(replace, _150="F", _39="2")


def test_a_replace_that_cannot_be_is_rejected_under_its_own_id(trading):
    desk, partner = trading
    name, order_id = desk.working_order(partner, _38="10")
    too_dear = desk.name()
    desk.replace(partner, too_dear, name, _38="10", _44="250")
    refused = partner.until_told(too_dear, _35="9", _434="2", _39="0", _41=name)
    assert "PRICE_OUTSIDE_COLLAR" in refused["58"]
    other_type = desk.name()
    desk.replace(partner, other_type, name, _40="1", _44=None)
    partner.until_told(other_type, _35="9", _434="2", _102="99")
    asked = desk.name()
    desk.replace(partner, asked, name, _38="12")
    partner.until_told(asked, _150="E")
    second = desk.name()
    desk.replace(partner, second, name, _38="13")
    partner.until_told(second, _35="9", _434="2", _39="E")
    desk.claim()
    desk.record(desk.report(order_id, ReportKind.REPLACE_REJECTED, reason="no"))
    partner.until_told(asked, _35="9", _434="2", _39="0")
    partner.send("H", _11=name, _55=desk.symbol, _54="1")
    partner.until_told(name, _150="I", _38="10")


# The process


def test_the_acceptor_runs_under_the_supervisor_where_a_port_is_named_for_it(tmp_path):
    def names(**environment: str) -> list[str]:
        return [program.name for program in programs(environment, DataFolder(tmp_path), 8000)]

    assert "fix" not in names()
    assert "fix" in names(PORTAL_FIX_PORT="9880")
