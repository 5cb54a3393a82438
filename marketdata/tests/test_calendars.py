"""Sessions: New York with its holidays and half days, round the clock, and unknown."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from marketdata.domain.calendars import session, trading_days
from marketdata.domain.types import Hours
from marketdata.tests.support import facts


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-20T14:29:59", False),
        ("2026-11-20T14:30:00", True),
        ("2026-11-20T20:59:59", True),
        ("2026-11-20T21:00:00", False),
        ("2026-07-01T13:30:00", True),  # daylight saving
        ("2026-11-21T15:00:00", False),  # Saturday
        ("2026-11-26T15:00:00", False),  # Thanksgiving
        ("2026-11-27T17:59:00", True),
        ("2026-11-27T18:00:00", False),  # the half day after it
        ("2019-10-11T15:00:00", True),
    ],
)
def test_new_york_keeps_its_hours_holidays_and_half_days(moment: str, is_open: bool) -> None:
    assert session("XNYS", at(moment)).is_open is is_open


def test_an_open_session_names_its_close_and_the_next_opening() -> None:
    found = session("XNYS", at("2026-11-20T15:00:00"))
    assert found.opens_at == at("2026-11-20T14:30:00")
    assert found.closes_at == at("2026-11-20T21:00:00")
    assert found.next_open_at == at("2026-11-23T14:30:00")


def test_a_closed_session_names_the_next_one() -> None:
    found = session("XNYS", at("2026-12-31T23:00:00"))
    assert (found.opens_at, found.closes_at) == (at("2027-01-04T14:30:00"), at("2027-01-04T21:00:00"))
    assert found.next_open_at == found.opens_at


def test_round_the_clock_a_session_is_a_utc_day() -> None:
    found = session("24/7", at("2026-11-21T23:59:59"))
    assert found.is_open
    assert (found.opens_at, found.closes_at) == (at("2026-11-21T00:00:00"), at("2026-11-22T00:00:00"))


def test_equities_trade_round_the_clock_when_told_so() -> None:
    assert session("XNYS", at("2026-11-21T03:00:00"), is_always_open=True).is_open


@pytest.mark.parametrize("is_always_open", [True, False])
def test_an_unknown_calendar_is_closed(is_always_open: bool) -> None:
    found = session("XXXX", at("2026-11-20T15:00:00"), is_always_open=is_always_open)
    assert not found.is_open
    assert found.next_open_at is None
    assert trading_days("XXXX", date(2026, 1, 1), date(2026, 12, 31), is_always_open=is_always_open) == []


def test_trading_days_leave_out_weekends_and_holidays_across_years() -> None:
    found = [day.day for day in trading_days("XNYS", date(2026, 12, 24), date(2027, 1, 4))]
    assert found == [date(2026, 12, day) for day in (24, 28, 29, 30, 31)] + [date(2027, 1, 4)]


def test_round_the_clock_every_day_is_a_trading_day() -> None:
    found = trading_days("24/7", date(2026, 12, 30), date(2027, 1, 2))
    assert [day.day.day for day in found] == [30, 31, 1, 2]
    assert all(day.closes_at - day.opens_at == timedelta(days=1) for day in found)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-20T08:59:59", False),
        ("2026-11-20T09:00:00", True),  # 4:00 in New York
        ("2026-11-20T22:00:00", True),
        ("2026-11-21T00:59:59", True),  # 19:59:59
        ("2026-11-21T01:00:00", False),
        ("2026-11-21T15:00:00", False),  # Saturday
        ("2026-11-27T21:59:00", True),
        ("2026-11-27T22:00:00", False),  # the half day ends at 17:00
        ("2026-07-01T08:00:00", True),  # daylight saving
    ],
)
def test_extended_hours_run_from_four_to_eight_in_new_york(moment: str, is_open: bool) -> None:
    assert session("XNYS", at(moment), hours=Hours.EXTENDED).is_open is is_open


@pytest.mark.parametrize(
    ("moment", "is_accepting", "opens"),
    [
        ("2026-11-20T14:27:59", True, "2026-11-20T14:30:00"),
        ("2026-11-20T14:28:00", False, "2026-11-20T14:30:00"),
        ("2026-11-20T15:00:00", False, "2026-11-23T14:30:00"),
        ("2026-11-20T23:59:59", False, "2026-11-23T14:30:00"),
        ("2026-11-21T00:00:00", True, "2026-11-23T14:30:00"),  # 19:00 on Friday
        ("2026-11-22T12:00:00", True, "2026-11-23T14:30:00"),
    ],
)
def test_the_opening_auction_takes_orders_from_the_evening_before(moment: str, is_accepting: bool, opens: str) -> None:
    found = session("XNYS", at(moment), hours=Hours.OPENING)
    assert (found.is_open, found.is_accepting, found.opens_at) == (False, is_accepting, at(opens))


@pytest.mark.parametrize(
    ("moment", "is_open", "is_accepting", "closes"),
    [
        ("2026-11-20T12:00:00", False, True, "2026-11-20T21:00:00"),
        ("2026-11-20T15:00:00", True, True, "2026-11-20T21:00:00"),
        ("2026-11-20T20:50:00", True, False, "2026-11-20T21:00:00"),
        ("2026-11-20T21:00:00", False, False, "2026-11-23T21:00:00"),
        ("2026-11-27T17:49:59", True, True, "2026-11-27T18:00:00"),  # a half day
    ],
)
def test_the_closing_auction_takes_orders_until_ten_minutes_before(
    moment: str, is_open: bool, is_accepting: bool, closes: str
) -> None:
    found = session("XNYS", at(moment), hours=Hours.CLOSING)
    assert (found.is_open, found.is_accepting, found.closes_at) == (is_open, is_accepting, at(closes))


def test_auctions_of_a_simulated_day_are_at_its_ends_and_round_the_clock_there_are_none() -> None:
    noon = at("2026-11-21T12:00:00")
    opening = session("XNYS", noon, is_always_open=True, hours=Hours.OPENING)
    closing = session("XNYS", noon, is_always_open=True, hours=Hours.CLOSING)
    assert (opening.opens_at, closing.closes_at) == (at("2026-11-22T00:00:00"), at("2026-11-22T00:00:00"))
    assert opening.is_accepting
    assert closing.is_open
    assert not session("24/7", noon, hours=Hours.OPENING).is_accepting


def test_prices_below_a_dollar_have_a_finer_grid_and_fractions_a_finer_lot() -> None:
    share = facts(asset_class="us_equity", lot_size=Decimal(1), is_fractionable=True)
    assert (share.tick_at(Decimal("0.99")), share.tick_at(Decimal(1))) == (Decimal("0.0001"), Decimal("0.01"))
    assert share.fraction == Decimal("0.000000001")
    assert facts(lot_size=Decimal("0.0001"), is_fractionable=True).fraction == Decimal("0.0001")
    assert facts(lot_size=Decimal(1)).fraction == 1
