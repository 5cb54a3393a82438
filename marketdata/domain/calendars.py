"""Know when a market is open. An unknown calendar is closed."""

from __future__ import annotations

import importlib
from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

from marketdata.domain.types import Session, TradingDay

ROUND_THE_CLOCK = "24/7"
EXCHANGES = frozenset({"XNYS", "XNAS"})
CLOSED = Session(is_open=False, opens_at=None, closes_at=None, next_open_at=None)

_DAY = timedelta(days=1)


def session(calendar: str, at: datetime, *, is_always_open: bool = False) -> Session:
    """Return the session at an instant; `is_always_open` opens known exchanges round the clock, a UTC day a session."""
    if calendar == ROUND_THE_CLOCK or (is_always_open and calendar in EXCHANGES):
        opens_at = datetime.combine(at.astimezone(UTC).date(), time(), UTC)
        return Session(True, opens_at, opens_at + _DAY, opens_at + _DAY)
    if calendar not in EXCHANGES:
        return CLOSED
    days = _schedule(calendar, at.astimezone(UTC).year)
    index = bisect_right(days, at, key=lambda day: day.opens_at) - 1
    following = days[index + 1] if index + 1 < len(days) else None
    if index >= 0 and at < days[index].closes_at:
        return Session(True, days[index].opens_at, days[index].closes_at, following.opens_at if following else None)
    if following is None:
        return CLOSED
    return Session(False, following.opens_at, following.closes_at, following.opens_at)


def trading_days(calendar: str, first: date, last: date, *, is_always_open: bool = False) -> list[TradingDay]:
    """Return the trading days from first to last, both included; none for an unknown calendar."""
    if calendar == ROUND_THE_CLOCK or (is_always_open and calendar in EXCHANGES):
        count = (last - first).days + 1
        starts = [datetime.combine(first, time(), UTC) + _DAY * number for number in range(count)]
        return [TradingDay(start.date(), start, start + _DAY) for start in starts]
    if calendar not in EXCHANGES:
        return []
    found: list[TradingDay] = []
    for year in range(first.year, last.year + 1):
        found += [day for day in _schedule(calendar, year) if day.day.year == year and first <= day.day <= last]
    return found


@cache
def _schedule(calendar: str, year: int) -> tuple[TradingDay, ...]:
    """Return the trading days of a year and a little on both sides.

    The calendar library brings pandas, which takes a second to import, so only who needs an exchange loads it.
    """
    library = importlib.import_module("exchange_calendars")
    known = library.get_calendar(calendar, start=f"{year - 1}-12-01", end=f"{year + 1}-02-01")
    return tuple(
        TradingDay(label.date(), opens.to_pydatetime(), closes.to_pydatetime())
        for label, opens, closes in zip(known.sessions, known.opens, known.closes, strict=True)
    )
