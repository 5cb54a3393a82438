"""The scenarios that partners ask a paper venue for, through the ordinary lifecycle to the order's end."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from orders.brokers.paper.profile import PaperProfile
from orders.brokers.protocol import VenueCancel, VenueOrder
from orders.domain.scenarios import SCENARIOS, scenario_of
from orders.domain.types import TimeInForce
from orders.hosting.sender import venue_order
from orders.tests.desk import Desk
from orders.tests.paper_floor import SteppedVenue, order, replacing

pytestmark = pytest.mark.django_db
QUANTITY = "10"
# Scenario: what is reported at once, then after each pause; the order's status at the end, and what it was filled.
PLAYS: dict[str, tuple[list[list[str]], str, str]] = {
    "reject": ([["rejected"]], "rejected", "0"),
    "rest": ([["new"]], "new", "0"),
    "fill": ([["new", "trade"]], "filled", "10"),
    "partial": ([["new", "trade"]], "partially_filled", "5"),
    "slow": ([[], ["new", "trade"]], "filled", "10"),
    "silence": ([[], []], "pending_new", "0"),
    "duplicate": ([["new", "trade", "new", "trade"]], "filled", "10"),
    "fill_first": ([["trade", "new"]], "filled", "10"),
    "late_fill": ([["new"], ["canceled"], ["trade"]], "canceled", "10"),
    "over_fill": ([["new", "trade"]], "filled", "15"),
    "bust": ([["new", "trade"], ["trade_cancel"]], "new", "0"),
    "correct": ([["new", "trade"], ["trade_correct"]], "filled", "10"),
    "cancel": ([["new"], ["canceled"]], "canceled", "0"),
    "cancel_reject": ([["new"]], "new", "0"),
    "replace_reject": ([["new"]], "new", "0"),
    "expire": ([["new"], ["expired"]], "expired", "0"),
    "stop": ([["new"], ["stopped"], ["trade"]], "filled", "10"),
    "suspend": ([["new"], ["suspended"], ["restated", "trade"]], "filled", "10"),
    "done_for_day": ([["new"], ["done_for_day"], ["restated", "trade"]], "filled", "10"),
    "calculate": ([["new", "trade"], ["calculated"]], "calculated", "10"),
    "stray": ([["new", "trade"]], "filled", "10"),
}
ANOMALIES = {"late_fill": "anomaly", "over_fill": "anomaly"}


class Play:
    """One order that a desk has placed for a scenario, carried to a stepped venue and back."""

    def __init__(self, name: str, **changes: Any) -> None:
        self.desk = Desk()
        self.venue = SteppedVenue(venue=self.desk.venue, symbol=self.desk.symbol)
        self.venue.show(ask=("100", "1000"))
        self.order_id: UUID = self.desk.accepted(client_order_id=f"scn-{name}-1", quantity=QUANTITY, **changes)
        self.sent: VenueOrder = venue_order(self.desk.claim()[0])

    def say(self, *messages: Any) -> list[str]:
        return self.record(self.venue.say(*messages))

    def step(self, seconds: float = 1.0) -> list[str]:
        return self.record(self.venue.step(seconds))

    def record(self, reports: list[Any]) -> list[str]:
        outcome = self.desk.record(*reports)
        assert outcome.parked == sum(report.order_id != self.order_id for report in reports)
        return [report.kind.value for report in reports if report.order_id == self.order_id]


def test_every_scenario_is_played_here():
    assert set(PLAYS) == set(SCENARIOS)


@pytest.mark.parametrize(
    ("name", "restarts"), [(name, again) for name in PLAYS for again in (False, True) if len(PLAYS[name][0]) > again]
)
def test_a_scenario_is_played_to_its_end(name, restarts):
    acts, status, filled = PLAYS[name]
    play = Play(name)
    assert play.sent.scenario == name
    told = [play.say(play.sent)]
    for _ in acts[1:]:
        if restarts:
            play.venue.start()
        told.append(play.step())
    assert told == acts
    assert play.step(5) == []
    found = play.desk.order(play.order_id)
    assert (found.status, found.filled_quantity) == (status, Decimal(filled))
    said = play.desk.events(play.order_id)
    assert ("anomaly" in said) == (name in ANOMALIES)
    assert play.desk.held() == Decimal(filled)


def test_what_was_silent_is_told_when_the_venue_is_asked():
    play = Play("silence")
    assert play.say(play.sent) == []
    assert play.venue.copied(play.sent) == ["new", "trade"]


def test_a_busted_trade_gives_the_money_back_and_the_order_can_be_canceled():
    play = Play("bust")
    before = play.desk.cash()
    play.say(play.sent)
    assert play.desk.cash() < before
    play.step()
    assert play.desk.cash() == before
    play.desk.cancel(play.order_id)
    play.desk.claim()
    play.say(VenueCancel(play.order_id))
    assert play.desk.status(play.order_id) == "canceled"


def test_a_corrected_trade_moves_the_money():
    play = Play("correct")
    before = play.desk.cash()
    play.say(play.sent)
    play.step()
    assert before - play.desk.cash() == 10 * Decimal("99")


def test_what_is_left_of_an_immediate_order_ends_with_its_scenario():
    play = Play("partial", time_in_force=TimeInForce.IOC)
    assert play.say(play.sent) == ["new", "trade", "canceled"]
    assert play.desk.status(play.order_id) == "canceled"


def test_the_first_cancel_is_refused_and_the_next_is_taken():
    play = Play("cancel_reject")
    play.say(play.sent)
    for answer, status in (("cancel_rejected", "new"), ("canceled", "canceled")):
        play.desk.cancel(play.order_id)
        play.desk.claim()
        assert play.say(VenueCancel(play.order_id)) == [answer]
        assert play.desk.status(play.order_id) == status


def test_a_cancel_before_the_late_fill_does_not_stop_it():
    play = Play("late_fill")
    play.say(play.sent)
    play.desk.cancel(play.order_id)
    play.desk.claim()
    assert play.say(VenueCancel(play.order_id)) == ["canceled"]
    assert (play.step(), play.step()) == ([], ["trade"])
    assert play.desk.held() == Decimal(QUANTITY)


def test_the_first_replace_is_refused():
    venue = SteppedVenue()
    venue.show()
    sent = order("buy", "10", "90", scenario="replace_reject")
    asked = replacing(sent, "5"), replacing(sent, "6")
    assert [report.kind.value for report in venue.say(sent, *asked)] == ["new", "replace_rejected", "replaced"]


def test_a_scenario_that_nobody_knows_is_refused_and_one_that_is_switched_off_is_not_played():
    venue = SteppedVenue()
    venue.show()
    venue.say(unknown := order("buy", "1", scenario="no_such"))
    assert (venue.kinds(unknown), venue.reason(unknown)) == (["rejected"], "SCENARIO_UNKNOWN")
    strict = SteppedVenue(PaperProfile(0, 0, has_scenarios=False))
    strict.show()
    strict.say(plain := order("buy", "1", scenario="reject"))
    assert strict.kinds(plain) == ["new", "trade"]


@pytest.mark.parametrize(
    ("client_order_id", "name"),
    [("scn-bust-7", "bust"), ("scn-late_fill", "late_fill"), ("my-scn-bust", ""), ("scn", ""), ("scn-", "")],
)
def test_the_client_order_id_names_the_scenario(client_order_id, name):
    assert scenario_of(client_order_id) == name
