"""FIX sessions through kill -9 of either side: nothing lost, nothing doubled, the numbers go on."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from accounts.models import ApiKey
from orders.domain.facts import VenueMessage
from orders.domain.fix import MsgType, Tag
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.types import IntentKind
from orders.models import FixSession
from orders.selectors import orders_by_id
from orders.selectors.fix import fix_requests_open
from orders.services.fix_sessions import (
    fix_cancels_due,
    fix_session_close,
    fix_session_open,
    fix_session_save,
    fix_sessions_recover,
)
from orders.tests.desk import rows
from tests.fix import Acceptor, FixDesk, Partner, relaying, stamp, until
from trading_portal.kernel import clock

pytest.importorskip("quickfix")
from orders.gateways.fix.asking import Asking
from orders.gateways.fix.engine import Inbound
from orders.gateways.fix.following import Scope

pytestmark = pytest.mark.django_db

ORDERS = 50
RESTING = "7"


@pytest.fixture(scope="module")
def acceptor(tmp_path_factory: Any) -> Iterator[Acceptor]:
    running = Acceptor(tmp_path_factory.mktemp("acceptor"))
    with relaying():
        yield running
    running.stop()


class VenueLoop(threading.Thread):
    """Play the desk's venue: do at once whatever it is told to; orders of RESTING units are never filled."""

    def __init__(self, desk: FixDesk) -> None:
        super().__init__(daemon=True)
        self.desk = desk
        self.stopping = threading.Event()

    def run(self) -> None:
        for turn in itertools.count():
            if self.stopping.wait(0.01):
                break
            if turn % 100 == 0:
                self.desk.show()
            sent = self.desk.claim()
            for ten in (sent[n : n + 10] for n in range(0, len(sent), 10)):
                self.desk.record(*(report for message in ten for report in self._reports(message)))
        connection.close()

    def _reports(self, message: VenueMessage) -> list[VenueReport]:
        desk, order_id, terms = self.desk, message.order_id, message.terms
        if message.kind is IntentKind.CANCEL:
            return [desk.report(order_id, ReportKind.CANCELED)]
        if terms is not None:
            price = str(terms.limit_price)
            return [desk.report(order_id, ReportKind.REPLACED, quantity=str(terms.quantity), price=price)]
        acknowledged = desk.report(order_id, ReportKind.NEW)
        if str(message.quantity.normalize()) == RESTING:
            return [acknowledged]
        return [acknowledged, desk.trade(order_id, str(message.quantity))]

    def stop(self) -> None:
        self.stopping.set()
        self.join(10)


@pytest.fixture
def flowing(acceptor: Acceptor, tmp_path: Path) -> Iterator[tuple[FixDesk, Partner]]:
    """Give a desk whose venue fills everything, with its partner logged on."""
    desk = FixDesk()
    venue = VenueLoop(desk)
    venue.start()
    partner = desk.partner(acceptor, tmp_path).until_logged_on()
    yield desk, partner
    partner.kill()
    venue.stop()


def told(partner: Partner) -> Counter[str]:
    """Return how often each report of the log arrived; answers to what was asked twice are not of the log."""
    return Counter(each["17"] for each in partner.all() if each["35"] == "8" and each["150"] != "I")


def until_all_told(desk: FixDesk, partner: Partner, names: list[str]) -> None:
    """Wait until every order is filled and told so, and everything the log says was told."""

    def filled() -> set[str]:
        return {each["11"] for each in partner.all() if each["35"] == "8" and each.get("39") == "2"}

    until(lambda: set(names) <= filled(), lambda: (partner.told[-6:], partner.acceptor.log()))
    orders = rows(
        "SELECT client_order_id FROM orders_order WHERE account_id = %s AND base = 'filled' ORDER BY 1", desk.account
    )
    assert [row[0] for row in orders] == sorted(names)
    logged = rows(
        "SELECT count(*) FROM audit_event WHERE account_id = %s AND type LIKE 'order.%%' AND type <> 'order.routed'",
        desk.account,
    )[0][0]
    until(lambda: len(told(partner)) >= logged, lambda: (logged, told(partner)))
    assert len(told(partner)) == logged


@pytest.mark.parametrize("point", ["fix.before_acting", "fix.after_acting", "fix.before_writing"])
def test_an_acceptor_killed_in_mid_flow_loses_and_doubles_nothing(acceptor, flowing, point):
    desk, partner = flowing
    dropped, changed = desk.send(partner, _38=RESTING), desk.send(partner, _38=RESTING)
    names = [desk.send(partner, _38="1") for _ in range(ORDERS // 2)]
    until(lambda: len(told(partner)) >= 5)
    for name in (dropped, changed):
        partner.until_told(name, _150="0")
    cancel, change = desk.name(), desk.name()
    acceptor.arm(point)
    partner.send("F", _11=cancel, _41=dropped, _55=desk.symbol, _54="1", _60=stamp())
    desk.replace(partner, change, changed, _38="9")
    names += [desk.send(partner, _38="2") for _ in range(ORDERS // 2)]
    acceptor.until_dead()
    acceptor.start()
    partner.until_told(cancel, _150="4", _41=dropped)
    partner.until_told(change, _150="5", _41=changed, _38="9")
    until_all_told(desk, partner, names)
    assert set(told(partner).values()) == {1}
    assert [each for each in partner.all() if each["35"] == "9"] == []
    assert desk.session().next_sender > len(told(partner))


def test_a_partner_killed_in_mid_flow_is_told_everything_and_may_repeat_what_it_is_not_sure_of(flowing):
    desk, partner = flowing
    prices = {desk.name(): f"{100 + n / 100}" for n in range(ORDERS)}
    for name, price in itertools.islice(prices.items(), ORDERS // 2):
        desk.send(partner, _11=name, _38="1", _44=price)
    until(lambda: len(told(partner)) >= 5)
    partner.kill()
    partner.start()
    partner.until_logged_on(2)
    for name, price in prices.items():
        desk.send(partner, _11=name, _38="1", _44=price)
    until_all_told(desk, partner, list(prices))
    for exec_id, count in told(partner).items():
        again = [each for each in partner.all() if each["17"] == exec_id]
        assert count == 1 or any(each.get("43") == "Y" for each in again)


def test_what_happened_while_a_partner_was_away_is_told_when_it_comes_back(acceptor, tmp_path):
    desk = FixDesk()
    partner = desk.partner(acceptor, tmp_path).until_logged_on()
    name, order_id = desk.working_order(partner, _38="5")
    partner.stop()
    desk.record(desk.trade(order_id, "5"))
    partner.start()
    fill = partner.until_told(name, _150="F", _39="2")
    assert "43" not in fill
    assert set(told(partner).values()) == {1}
    partner.kill()


def test_numbers_begin_again_when_a_partner_asks_for_that_and_nothing_is_lost(acceptor, tmp_path):
    desk = FixDesk()
    partner = desk.partner(acceptor, tmp_path, "reset=Y").until_logged_on()
    name, order_id = desk.working_order(partner, _38="5")
    partner.kill()
    desk.record(desk.trade(order_id, "5"))
    partner.start()
    fill = partner.until_told(name, _150="F", _39="2")
    assert fill["34"] == "2"
    assert set(told(partner).values()) == {1}
    session = desk.session()
    kept = rows("SELECT number FROM orders_fixmessage WHERE session_id = %s", session.id)
    assert (kept, session.next_sender) == ([(2,)], 3)
    partner.kill()


def test_orders_outlive_a_connection_unless_their_partner_asked_otherwise(acceptor, tmp_path):
    stays, goes = FixDesk(), FixDesk()
    lasting = stays.partner(acceptor, tmp_path / "stays").until_logged_on()
    fleeting = goes.partner(acceptor, tmp_path / "goes", "20001=Y").until_logged_on()
    kept = stays.working_order(lasting)[1]
    name, dropped = goes.working_order(fleeting)
    by_another_key = goes.accepted()
    lasting.kill()
    fleeting.kill()
    until(lambda: goes.status(dropped) == "pending_cancel")
    goes.record(goes.report(dropped, ReportKind.CANCELED))
    assert goes.status(by_another_key) == "accepted"
    assert stays.status(kept) == "new"
    fleeting.start()
    assert "41" not in fleeting.until_told(name, _150="4")
    fleeting.kill()


def others(key: ApiKey) -> list[Any]:
    """Return whose sessions the running acceptor may serve."""
    return [row[0] for row in rows("SELECT key_id FROM orders_fixsession WHERE key_id <> %s", key.id)]


def test_a_killed_acceptor_leaves_partners_the_time_to_come_back_before_their_orders_are_cancelled():
    desk = FixDesk()
    key = ApiKey.objects.get(key_id=desk.caller.key_id)
    order_id = desk.working(api_key_pk=key.id)
    opened = {
        "key_pk": key.id, "account_id": desk.account, "address": "127.0.0.1", "cancels_on_disconnect": True,
        "tells_account": False,
    }  # fmt: skip
    at = clock.now()
    fix_session_open(**opened, at=at)
    wait = timedelta(seconds=10)
    fix_sessions_recover(live_keys=others(key), cancel_after=wait, at=at)
    session = fix_session_open(**opened, at=at)
    fix_cancels_due(at=at + 2 * wait)
    assert desk.status(order_id) == "new"
    fix_session_close(session=session, cancel_after=wait, at=at)
    fix_cancels_due(at=at + wait / 2)
    assert desk.status(order_id) == "new"
    fix_cancels_due(at=at + wait)
    assert desk.status(order_id) == "pending_cancel"
    assert FixSession.objects.get(id=session.id).cancel_due_at is None


def test_a_connection_whose_session_was_taken_over_stores_and_so_sends_nothing_more():
    desk = FixDesk()
    key = ApiKey.objects.get(key_id=desk.caller.key_id)
    opened = {
        "key_pk": key.id, "account_id": desk.account, "address": "127.0.0.1", "cancels_on_disconnect": False,
        "tells_account": False, "at": clock.now(),
    }  # fmt: skip
    moved = {"next_target": 2, "cursor": 0, "answered": (), "is_reset": False, "at": clock.now()}
    first, second = fix_session_open(**opened), fix_session_open(**opened)
    assert not fix_session_save(session=first, next_sender=3, sent=[(2, "stale")], **moved)
    assert fix_session_save(session=second, next_sender=2, sent=[(1, "fresh")], **moved)
    assert rows("SELECT number, text FROM orders_fixmessage WHERE session_id = %s", second.id) == [(1, "fresh")]
    assert desk.session().next_sender == 2


def test_a_request_that_comes_a_second_time_after_its_answer_is_passed_over_and_its_id_is_still_taken():
    """A kill before its number was stored makes the partner send it again, and the log may have answered by then."""
    desk = FixDesk()
    key = ApiKey.objects.get(key_id=desk.caller.key_id)
    order_id = desk.working(api_key_pk=key.id)
    session = fix_session_open(
        key_pk=key.id, account_id=desk.account, address="127.0.0.1", cancels_on_disconnect=False, tells_account=False,
        at=clock.now(),
    )  # fmt: skip
    asking = Asking(Scope(session.id, desk.account, "", key.key_id, key.id, tells_account=False))
    [order] = orders_by_id([order_id]).values()
    asked = {
        Tag.MSG_TYPE: MsgType.CANCEL, Tag.CL_ORD_ID: desk.name(), Tag.ORIG_CL_ORD_ID: order.client_order_id,
        Tag.SYMBOL: desk.symbol, Tag.SIDE: "1",
    }  # fmt: skip
    assert asking.ask(Inbound(3, MsgType.CANCEL, asked)).messages == []
    assert desk.status(order_id) == "pending_cancel"
    [request] = fix_requests_open(session.id)
    desk.record(desk.report(order_id, ReportKind.CANCELED))
    fix_session_save(
        session=session, next_sender=2, next_target=3, cursor=0, sent=[(1, "canceled")], answered=[request.id],
        is_reset=False, at=clock.now(),
    )  # fmt: skip
    assert asking.ask(Inbound(3, MsgType.CANCEL, {**asked, Tag.POSS_DUP_FLAG: "Y"})).messages == []
    [refused] = asking.ask(Inbound(4, MsgType.CANCEL, asked)).messages
    assert (refused.type, dict(refused.fields)[Tag.CXL_REJ_REASON]) == (MsgType.CANCEL_REJECT, "6")
