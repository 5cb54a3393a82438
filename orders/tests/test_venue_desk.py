"""Venues at the risk desk: what is away, what is to be looked at, and where orders go."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from audit.selectors import events_of_stream
from orders.brokers import registry
from orders.domain.breaker import BreakerState, Line
from orders.domain.reports import ReportKind, Restatement
from orders.models import ParkedReport, VenueAlert, VenueRoute
from orders.services import routing
from orders.services.alerting import Alert, alerts_raise
from orders.services.breaking import Health, venue_health_store
from orders.tests.desk import Desk
from risk.tests.helpers import officer
from trading_portal.kernel import clock
from trading_portal.kernel.errors import reason
from trading_portal.kernel.ids import uuid7

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def who() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.get(id=officer().id))
    return client


def test_the_overview_names_a_venue_that_is_away_and_what_is_to_be_looked_at(desk: Desk, who: Client):
    # The overview names the newest: those that other tests have left, perhaps under a clock far ahead, are dealt with.
    VenueAlert.objects.filter(resolved_at=None).update(resolved_at=clock.now())
    away = Health(state=BreakerState.OPEN, opened_by=Line.ASK, cause="It is silent", probe_at=clock.now())
    venue_health_store(venue=desk.venue, fence=None, health=away, at=clock.now())
    order_id = str(uuid7())
    why = reason("OPEN_THERE_NOT_HERE", venue=desk.venue, status="canceled")
    assert [alerts_raise(venue=desk.venue, alerts=[Alert(why, order_id)], at=clock.now()) for _ in range(2)] == [1, 0]
    shown = who.get(reverse("admin:index")).content.decode()
    assert "It is silent" in shown
    assert f"{desk.venue} has the order open; here it is canceled." in shown
    venue_health_store(venue=desk.venue, fence=None, health=Health(), at=clock.now())
    assert "It is silent" not in who.get(reverse("admin:index")).content.decode()
    VenueAlert.objects.filter(venue=desk.venue).update(resolved_at=clock.now())


def test_an_officer_resolves_alerts_and_the_log_names_them(desk: Desk, who: Client):
    alerts_raise(venue=desk.venue, alerts=[Alert(reason("POSITION_DIFFERS", ours="1"), "X")], at=clock.now())
    alert = VenueAlert.objects.get(venue=desk.venue)
    page = reverse("admin:orders_venuealert_changelist")
    assert desk.venue in who.get(page, {"venue": desk.venue}).content.decode()
    who.post(page, {"action": "mark_resolved", "_selected_action": [str(alert.id)]})
    alert.refresh_from_db()
    assert alert.resolved_at is not None
    assert events_of_stream(f"venue:{desk.venue}")[-1].actor.startswith("user:")


def test_an_officer_has_a_parked_report_applied_again(desk: Desk, who: Client):
    order_id = desk.working(quantity="10")
    desk.record(desk.report(order_id, ReportKind.RESTATED, restatement=Restatement.RELEASE))
    desk.record(desk.report(order_id, ReportKind.SUSPENDED))
    parked = ParkedReport.objects.get(venue=desk.venue)
    page = reverse("admin:orders_parkedreport_changelist")
    who.post(page, {"action": "apply_again", "_selected_action": [str(parked.id)]})
    parked.refresh_from_db()
    assert (parked.resolved_at is not None, desk.status(order_id)) == (True, "new")
    assert events_of_stream(f"venue:{desk.venue}")[-1].actor.startswith("user:")


def test_an_officer_says_where_an_account_s_orders_go(desk: Desk, who: Client, monkeypatch: pytest.MonkeyPatch):
    venues = {**registry.ADAPTERS, desk.venue: registry.ADAPTERS["paper"]}
    monkeypatch.setattr("orders.admin.ADAPTERS", venues)
    page = reverse("admin:orders_venueroute_add")
    who.post(page, {"account": str(desk.account), "asset_class": "", "venue": desk.venue, "is_default": "on"})
    route = VenueRoute.objects.get(account_id=desk.account)
    assert venue_of(desk) == desk.venue
    who.post(reverse("admin:orders_venueroute_changelist"), {"action": "remove", "_selected_action": [str(route.id)]})
    assert venue_of(desk) == "paper"
    assert [e.type for e in events_of_stream(f"venue:{desk.venue}")] == ["venue.route_set", "venue.route_removed"]


def venue_of(desk: Desk, **changes: object) -> str:
    """Place an order that no caller sends anywhere, and return where it goes."""
    command = desk.command(**changes)
    return routing.surroundings_later([command])().venue_of(command, command.account_id, desk.instrument.asset_class)


def test_the_narrowest_route_decides_and_what_the_order_names_goes_before_it(desk: Desk):
    other = "bonds" if desk.instrument.asset_class != "bonds" else "other"
    for venue, asset_class in (("a", ""), ("b", desk.instrument.asset_class), ("c", other)):
        VenueRoute.objects.create(account_id=desk.account, venue=venue, asset_class=asset_class)
    assert venue_of(desk) == "b"
    assert venue_of(desk, venue="paper") == "paper"


def test_an_order_may_name_only_venues_that_there_are_and_that_are_open_to_its_account(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(routing, "ADAPTERS", {"paper": object, "far": object})
    answers = desk.place_all([desk.command(venue=venue) for venue in ("paper", "nowhere", "far")])
    assert [answer.status for answer in answers] == ["accepted", "invalid", "invalid"]
    assert [answer.refusal[0].code for answer in answers[1:]] == ["VENUE_UNKNOWN", "VENUE_NOT_ALLOWED"]
    VenueRoute.objects.create(account_id=desk.account, venue="far", is_default=False)
    (answer,) = desk.place_all([desk.command(venue="far")])
    assert answer.order is not None
    assert (answer.status, answer.order.venue) == ("accepted", "far")


def test_the_same_order_for_another_venue_is_another_order(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    command = desk.command()
    changed = type(command)(**{name: getattr(command, name) for name in command.__struct_fields__} | {"venue": "paper"})
    assert [answer.status for answer in desk.place_all([command, changed])] == ["accepted", "conflict"]
