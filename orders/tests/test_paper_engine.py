"""A paper venue's orders of every type: stops, trails, auctions, sessions, halts and replaces, through restarts too."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from orders.brokers.paper.profile import PaperProfile
from orders.domain.commands import Schedule
from orders.domain.types import Algorithm
from orders.tests.paper_floor import NOON, SteppedVenue, canceling, order, replacing

pytestmark = pytest.mark.django_db
NINE, FIVE = NOON - timedelta(hours=3), NOON + timedelta(hours=5)
NEXT_NINE = NINE + timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def venue() -> SteppedVenue:
    made = SteppedVenue()
    made.show()
    return made


def test_two_accounts_trade_with_each_other_and_both_are_told(venue):
    buyer, seller = order("buy", "10", "100", account_id=uuid4()), order("sell", "4", "99.95", account_id=uuid4())
    venue.say(buyer, seller)
    assert (venue.filled(buyer), venue.filled(seller)) == ([("4", "100")], [("4", "100")])
    venue.say(again := order("sell", "6", "100"))
    assert (venue.filled(buyer)[1:], venue.filled(again)) == ([("6", "100")], [("6", "100")])


def test_an_order_that_is_to_be_worked_over_time_is_for_a_router_and_refused(venue):
    sent = order("buy", "10", schedule=Schedule(algorithm=Algorithm.TWAP))
    venue.say(sent)
    assert (venue.kinds(sent), venue.reason(sent)) == (["rejected"], "SCHEDULE_NOT_SUPPORTED")


def test_an_account_never_trades_with_itself(venue):
    mine = uuid4()
    resting, newer = order("buy", "10", "100", account_id=mine), order("sell", "4", "99.95", account_id=mine)
    venue.say(resting, newer)
    assert (venue.kinds(resting), venue.kinds(newer)) == (["new"], ["new", "canceled"])
    assert venue.reason(newer) == "SELF_TRADE"


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    ("terms", "filled"),
    [
        ({"type": "stop"}, [("5", "97.9")]),
        ({"type": "stop_limit", "limit": "97.9"}, [("5", "97.9")]),
        ({"type": "stop_limit", "limit": "97.95"}, []),
    ],
)
def test_a_stop_works_from_its_price_on(venue, terms, filled, restarts):
    sent = order("sell", "5", stop_price="98", **terms)
    venue.say(sent)
    venue.show(last="98.01")
    assert venue.kinds(sent) == ["new"]
    if restarts:
        venue.start()
    venue.show(("97.9", "10"), ("98.1", "10"), "98")
    assert venue.kinds(sent)[:2] == ["new", "status"]
    assert venue.reason(sent) == ("TRIGGERED" if not filled else "")
    assert venue.filled(sent) == filled
    if restarts:
        venue.start()
        venue.show(("98", "100"), ("98.1", "10"), "98.05")
    assert venue.filled(sent) == filled or venue.filled(sent) == [("5", "98")]
    assert venue.copied(sent) == venue.kinds(sent)


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("trail", [{"trail_price": "2"}, {"trail_percent": "2"}])
def test_a_trailing_stop_keeps_its_high_water_mark(venue, trail, restarts):
    sent = order("sell", "5", type="trailing_stop", **trail)
    venue.say(sent)
    venue.show(("109.9", "10"), ("110.1", "10"), "110")
    if restarts:
        venue.start()
    venue.show(("108.4", "10"), ("108.6", "10"), "108.5")
    assert venue.kinds(sent) == ["new"]
    venue.show(("107.7", "10"), ("107.9", "10"), "107.8")
    assert venue.filled(sent) == [("5", "107.7")]


def test_a_smaller_order_keeps_its_place_and_another_price_or_more_loses_it(venue):
    first, second, third = (order("buy", "10", "100") for _ in range(3))
    venue.say(first, second, third)
    venue.say(replacing(first, "5"), replacing(second, "11"))
    venue.say(order("sell", "16", "100"))
    assert venue.filled(first) == [("5", "100")]
    assert venue.filled(third) == [("10", "100")]
    assert venue.filled(second) == [("1", "100")]
    venue.say(replacing(second, "11", "100.1"))
    assert venue.kinds(second)[-2:] == ["replaced", "trade"]


def test_a_replace_to_no_more_than_was_filled_ends_the_order_filled(venue):
    sent = order("buy", "10", "100")
    venue.say(sent, order("sell", "4", "100"))
    reports = venue.say(replacing(sent, "3"))
    assert [(r.kind.value, r.quantity) for r in reports] == [("replaced", Decimal(4))]
    assert venue.say(canceling(sent))[0].reason == "TOO_LATE"


def test_a_filled_order_that_is_asked_for_more_works_again(venue):
    sent = order("buy", "10", "100")
    venue.say(sent, order("sell", "10", "100"))
    venue.start()
    venue.say(replacing(sent, "15"))
    venue.say(order("sell", "10", "100"))
    assert venue.filled(sent) == [("10", "100"), ("5", "100")]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_replace_sent_again_is_answered_again_and_changes_nothing(venue, restarts):
    sent = order("buy", "10", "99")
    asked, refused = replacing(sent, "8", "98"), replacing(order("buy", "1", "99"), "2")
    first = venue.say(sent, asked, asked, refused)
    if restarts:
        venue.start()
    again = venue.say(asked, refused)
    assert [r.kind.value for r in again] == ["replaced", "replace_rejected"]
    assert {r.exec_id for r in again} <= {r.exec_id for r in first}
    assert {r.request_id for r in again} == {asked.request_id, refused.request_id}
    assert venue.copied(sent) == ["new", "replaced"]
    venue.say(order("sell", "8", "98"))
    assert venue.filled(sent) == []  # the market's 99.9 was better


def test_a_replace_that_cannot_be_is_refused_with_a_reason(venue):
    sent, ended = order("buy", "10", "99"), order("buy", "10", "98")
    venue.say(sent, ended, canceling(ended))
    asked = [
        replacing(sent, "2", tif="ioc"),
        replacing(ended, "2"),
        replacing(order("buy", "1", "1"), "2"),
    ]
    reports = venue.say(*asked)
    assert {report.kind.value for report in reports} == {"replace_rejected"}
    assert [report.reason for report in reports] == [
        "TIME_IN_FORCE_NOT_SUPPORTED", "TOO_LATE", "UNKNOWN_ORDER",
    ]  # fmt: skip


def test_a_stop_that_waits_can_be_replaced(venue):
    sent = order("sell", "5", type="stop", stop_price="98")
    venue.say(sent, replacing(sent, "4", stop_price="99"))
    venue.show(last="99")
    assert venue.filled(sent) == [("4", "99.9")]


def test_a_day_order_ends_with_the_session_and_a_good_till_order_at_its_time(venue):
    day, dated = order("buy", "1", "90", tif="day"), order("buy", "1", "90", expires_at=NOON + timedelta(hours=1))
    venue.say(day, dated)
    venue.until(NOON + timedelta(minutes=61))
    assert (venue.kinds(day), venue.kinds(dated)) == (["new"], ["new", "expired"])
    venue.until(FIVE)
    assert venue.kinds(day) == ["new", "expired"]


@pytest.mark.parametrize("restarts", [False, True])
def test_an_order_that_is_good_for_longer_rests_at_night_and_is_renewed(venue, restarts):
    sent, ends = order("buy", "5", "100.1"), order("buy", "1", "90", expires_at=NEXT_NINE - SECOND)
    venue.show(ask=("100.5", "10"))
    venue.say(sent, ends)
    venue.until(FIVE, is_open=False)
    assert (venue.kinds(sent), venue.kinds(ends)) == (["new", "done_for_day"], ["new", "expired"])
    venue.show(ask=("100.1", "10"), is_open=False)
    if restarts:
        venue.start()
    refused = venue.say(replacing(sent, "6"))
    assert (refused[0].kind.value, refused[0].reason) == ("replace_rejected", "DONE_FOR_DAY")
    venue.until(NEXT_NINE, is_open=True)
    assert [kind for kind in venue.kinds(sent) if kind != "replace_rejected"] == [
        "new", "done_for_day", "restated", "trade",
    ]  # fmt: skip


def test_only_orders_for_extended_hours_trade_outside_the_session(venue):
    regular, extended = order("buy", "5", "99"), order("buy", "5", "99", extended_hours=True)
    later = order("buy", "5", "98", extended_hours=True)
    day = order("buy", "5", "98", extended_hours=True, tif="day")
    venue.say(regular, extended, later, day)
    venue.until(FIVE, is_open=False)
    venue.show(ask=("99", "100"), is_open=False)
    assert venue.kinds(regular) == ["new", "done_for_day"]
    assert venue.filled(extended) == [("5", "99")]
    venue.until(FIVE + timedelta(hours=3))
    venue.step(2)
    venue.show(ask=("98", "100"), is_open=False)
    assert venue.filled(later) == []
    assert venue.kinds(day) == ["new", "expired"]
    venue.until(NINE + timedelta(hours=22))
    assert venue.filled(later) == [("5", "98")]


@pytest.mark.parametrize("restarts", [False, True])
def test_an_order_for_the_opening_trades_at_it_or_not_at_all(restarts):
    venue = SteppedVenue(at=NINE - timedelta(hours=1))
    venue.show(is_open=False)
    fits, too_large, too_dear = (
        order("buy", "400", tif="opg"), order("buy", "1000", "101", tif="opg"), order("buy", "1", "99", tif="opg"),
    )  # fmt: skip
    venue.say(fits, too_large, too_dear)
    if restarts:
        venue.start()
    venue.until(NINE, is_open=False)
    assert venue.kinds(fits) == ["new"]
    venue.step(1)
    venue.shown = (*venue.shown[:3], True)
    venue.step(1)
    assert venue.filled(fits) == [("400", "100.1")]
    assert venue.filled(too_large) == [("600", "100.1")]
    assert (venue.kinds(too_large)[-1], venue.kinds(too_dear)[-1]) == ("canceled", "canceled")


def test_an_order_for_the_close_trades_at_the_close(venue):
    market, limited = order("sell", "5", tif="cls"), order("sell", "5", "101", tif="cls")
    venue.say(market, limited)
    venue.until(FIVE - SECOND)
    assert venue.kinds(market) == ["new"]
    venue.until(FIVE, is_open=False)
    assert venue.filled(market) == [("5", "99.9")]
    assert venue.kinds(limited) == ["new", "canceled"]


def test_a_halted_instrument_has_no_auction(venue):
    sent = order("sell", "5", tif="cls")
    venue.say(sent)
    venue.market.is_halted = True
    venue.until(FIVE, is_open=False)
    assert venue.kinds(sent) == ["new"]
    venue.market.is_halted = False
    venue.step(1.5)
    assert venue.filled(sent) == [("5", "99.9")]


def test_an_auction_without_a_price_ends_its_orders_after_a_minute(venue):
    sent = order("sell", "5", tif="cls")
    venue.say(sent)
    venue.shown = None
    venue.market.prices.clear()
    venue.until(FIVE + timedelta(seconds=59))
    assert venue.kinds(sent) == ["new"]
    venue.step(3)
    assert (venue.kinds(sent), venue.reason(sent)) == (["new", "canceled"], "NO_AUCTION_PRICE")


@pytest.mark.parametrize("restarts", [False, True])
def test_a_halt_suspends_what_works_and_its_end_releases_it(venue, restarts):
    sent, stop = order("buy", "5", "99"), order("sell", "5", type="stop", stop_price="98")
    venue.say(sent, stop)
    venue.market.is_halted = True
    venue.step(1.5)
    refused = order("buy", "5", "99")
    venue.say(refused)
    assert (venue.kinds(sent), venue.kinds(stop)) == (["new", "suspended"], ["new", "suspended"])
    assert (venue.kinds(refused), venue.reason(refused)) == (["rejected"], "HALTED")
    venue.show(("97", "10"), ("97.1", "10"), "97")
    if restarts:
        venue.start()
    assert venue.filled(sent) == venue.filled(stop) == []
    venue.market.is_halted = False
    venue.step(1.5)
    assert venue.kinds(sent) == ["new", "suspended", "restated", "trade"]
    assert venue.kinds(stop) == ["new", "suspended", "restated", "status", "trade"]


def test_a_venue_of_its_own_quotes_wider_shows_less_and_fills_in_slices():
    profile = PaperProfile(0, 0, offset_ticks=5, depth_share=Decimal("0.5"), slice_share=Decimal("0.4"))
    venue = SteppedVenue(profile)
    venue.show(("99.9", "101"), ("100.1", "101"))
    sent = order("buy", "60")
    venue.say(sent)
    assert venue.filled(sent) == [("24", "100.15"), ("24", "100.15"), ("2", "100.15")]
