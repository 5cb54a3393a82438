"""A worker carries replaces: told once, asked about when nobody answers, and never guessed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from orders.hosting import reconciler
from orders.models import Order, OrderVersion, VenueIntent
from orders.selectors import order_by_id
from orders.tests.venue import FaultyAdapter, Venue, until

pytestmark = pytest.mark.django_db


@pytest.fixture
def venue() -> Iterator[Venue]:
    made = Venue()
    yield made
    made.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconcile sooner than a real worker does."""
    monkeypatch.setattr(reconciler, "ASK_AFTER", timedelta(seconds=0.3))
    monkeypatch.setattr(reconciler, "UNKNOWN_AFTER", timedelta(seconds=1))
    monkeypatch.setattr(reconciler, "TURN_SECONDS", 0.1)


def accepted(version_id) -> bool:
    return OrderVersion.objects.filter(id=version_id, state="accepted").exists()


def test_a_replace_reaches_the_venue_and_the_order_trades_under_its_new_terms(venue: Venue):
    venue.host()
    (resting,) = venue.place(limit="95")
    venue.until_base([resting], "new")
    second = venue.replace(resting, quantity=Decimal(7))
    until(lambda: accepted(second))
    third = venue.replace(resting, limit_price=Decimal(101))
    venue.until_base([resting], "filled")
    order = order_by_id(third)
    assert (order.status, order.filled_quantity, order.limit_price) == ("filled", 7, 101)
    assert list(VenueIntent.objects.filter(order=resting).order_by("id").values_list("kind", "state", "attempts")) == [
        ("submit", "settled", 1),
        ("replace", "settled", 1),
        ("replace", "settled", 1),
    ]
    venue.assert_books_agree()


@pytest.mark.parametrize("is_silent", [False, True], ids=["asked at once", "unknown first"])
def test_a_replace_that_never_reached_the_venue_is_asked_about_and_sent_again(
    venue: Venue, quick: None, is_silent: bool
):
    adapter = FaultyAdapter(venue.adapter())
    venue.host(lambda: adapter)
    (resting,) = venue.place(limit="95")
    venue.until_base([resting], "new")
    adapter.loses_replaces, adapter.is_silent = True, is_silent
    version_id = venue.replace(resting, quantity=Decimal(7))
    until(lambda: adapter.lost == 1)
    if is_silent:
        until(lambda: Order.objects.get(id=resting).is_unknown)
    adapter.loses_replaces = adapter.is_silent = False
    until(lambda: accepted(version_id))
    found = Order.objects.get(id=resting)
    assert (found.quantity, found.pending, found.is_unknown) == (7, "none", False)
    assert VenueIntent.objects.get(order=resting, kind="replace").attempts == 2


def test_an_answer_that_was_lost_is_asked_for_and_nothing_is_sent_twice(venue: Venue, quick: None):
    adapter = FaultyAdapter(venue.adapter())
    venue.host(lambda: adapter)
    (resting,) = venue.place(limit="95")
    venue.until_base([resting], "new")
    adapter.loses_reports = True
    version_id = venue.replace(resting, quantity=Decimal(7))
    until(lambda: adapter.lost == 1)
    adapter.loses_reports = False
    until(lambda: accepted(version_id))
    assert VenueIntent.objects.get(order=resting, kind="replace").attempts == 1
