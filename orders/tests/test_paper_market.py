"""What a paper venue knows of the world: sessions, auctions, grids and halts, as the market data app has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.apps import apps
from django.conf import LazySettings

from orders.brokers.paper.market import LiveMarket
from positions.tests.helpers import new_instrument

pytestmark = pytest.mark.django_db
FRIDAY_NOON = datetime(2026, 2, 27, 17, tzinfo=UTC)  # noon in New York
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def listed_stock() -> str:
    made = new_instrument()
    apps.get_model("marketdata", "Instrument").objects.filter(id=made.id).update(calendar="XNYS")
    return made.symbol


def test_an_exchange_has_nights_auctions_and_extended_hours(settings: LazySettings):
    settings.SIMULATED_SESSIONS = "real"
    symbol = listed_stock()
    day = LiveMarket().listings([symbol], FRIDAY_NOON)[symbol]
    assert (day.session.is_open, day.has_nights, day.is_in_extended_hours) == (True, True, True)
    assert day.closing_at == day.day_ends_at(extended_hours=False) == FRIDAY_NOON + timedelta(hours=4)
    assert day.day_ends_at(extended_hours=True) == FRIDAY_NOON + timedelta(hours=8)
    assert day.opens_next_at == day.opening_at == MONDAY + timedelta(hours=14, minutes=30)
    evening = LiveMarket().listings([symbol], FRIDAY_NOON + timedelta(hours=5))[symbol]
    assert (evening.session.is_open, evening.is_in_extended_hours) == (False, True)
    night = LiveMarket().listings([symbol], FRIDAY_NOON + timedelta(hours=9))[symbol]
    assert (night.has_nights, night.is_in_extended_hours) == (True, False)
    assert night.opens_next_at == MONDAY + timedelta(hours=14, minutes=30)


def test_a_market_round_the_clock_has_neither_nights_nor_auctions():
    symbol = new_instrument().symbol
    found = LiveMarket().listings([symbol, "NO-SUCH"], FRIDAY_NOON)
    assert list(found) == [symbol]
    assert (found[symbol].has_nights, found[symbol].opening_at, found[symbol].closing_at) == (False, None, None)
    assert (found[symbol].tick, found[symbol].lot) == (Decimal("0.01"), Decimal(1))


def test_a_halt_is_seen_within_a_second():
    made, market = new_instrument(), LiveMarket()
    assert not market.listings([made.symbol], FRIDAY_NOON)[made.symbol].is_halted
    apps.get_model("marketdata", "Instrument").objects.filter(id=made.id).update(is_halted=True)
    assert not market.listings([made.symbol], FRIDAY_NOON + timedelta(milliseconds=999))[made.symbol].is_halted
    assert market.listings([made.symbol], FRIDAY_NOON + timedelta(seconds=1))[made.symbol].is_halted
