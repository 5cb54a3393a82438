"""FIX sessions through kill -9 of either side: nothing lost, nothing doubled, the numbers go on."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from orders.domain.facts import VenueMessage
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.types import IntentKind
from orders.tests.desk import rows
from tests.fix import Acceptor, FixDesk, Partner, relaying, stamp, until

pytest.importorskip("quickfix")

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


def test_numbers_begin_again_when_a_partner_asks_for_that_and_what_was_not_told_is_told(acceptor, tmp_path):
    desk = FixDesk()
    partner = desk.partner(acceptor, tmp_path, "reset=Y").until_logged_on()
    name, order_id = desk.working_order(partner, _38="5")
    partner.kill()
    # What is written just before the portal sees the line break is told as far as it knows, and goes with the numbers.
    until(lambda: not desk.session().is_connected)
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
