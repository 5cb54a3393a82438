"""Know when a market is open. An unknown calendar is closed."""

from __future__ import annotations

import importlib
from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from marketdata.domain.types import Hours, Session, TradingDay

ROUND_THE_CLOCK = "24/7"
EXCHANGES = frozenset({"XNYS", "XNAS"})
CLOSED = Session(is_open=False, opens_at=None, closes_at=None, next_open_at=None)
NO_AUCTION = Session(is_open=False, opens_at=None, closes_at=None, next_open_at=None, is_accepting=False)

_DAY = timedelta(days=1)
_NEW_YORK = ZoneInfo("America/New_York")
# The hours before and after the session, as brokers offer them. A day that closes early ends early after it, too.
_PRE_OPENS, _POST_CLOSES, _HALF_DAY_POST_CLOSES, _REGULAR_CLOSE = time(4), time(20), time(17), time(16)
# Orders for an auction are taken from the evening before until shortly before it (Alpaca: 19:00, 9:28 and 15:50).
_AUCTION_EVENING = time(19)
OPENING_CUT_OFF = timedelta(minutes=2)
CLOSING_CUT_OFF = timedelta(minutes=10)


def session(calendar: str, at: datetime, *, is_always_open: bool = False, hours: Hours = Hours.REGULAR) -> Session:
    """Return the session at an instant; `is_always_open` opens known exchanges round the clock, a UTC day a session.

    For an auction it is the session that the next auction belongs to: an opening is never open yet.
    """
    if hours in (Hours.OPENING, Hours.CLOSING):
        return _auction(calendar, at, is_always_open=is_always_open, is_opening=hours is Hours.OPENING)
    if calendar == ROUND_THE_CLOCK or (is_always_open and calendar in EXCHANGES):
        opens_at = datetime.combine(at.astimezone(UTC).date(), time(), UTC)
        return Session(True, opens_at, opens_at + _DAY, opens_at + _DAY)
    if calendar not in EXCHANGES:
        return CLOSED
    year = at.astimezone(UTC).year
    days = _extended(calendar, year) if hours is Hours.EXTENDED else _schedule(calendar, year)
    index = bisect_right(days, at, key=lambda day: day.opens_at) - 1
    following = days[index + 1] if index + 1 < len(days) else None
    if index >= 0 and at < days[index].closes_at:
        return Session(True, days[index].opens_at, days[index].closes_at, following.opens_at if following else None)
    if following is None:
        return CLOSED
    return Session(False, following.opens_at, following.closes_at, following.opens_at)


def _auction(calendar: str, at: datetime, *, is_always_open: bool, is_opening: bool) -> Session:
    """Return the session of the next auction, and whether orders for it are taken now."""
    if calendar not in EXCHANGES:
        return NO_AUCTION
    if is_always_open:
        evening = datetime.combine(at.astimezone(UTC).date(), time(), UTC)
        opens_at = evening + _DAY if is_opening else evening
        closes_at = opens_at + _DAY
    else:
        days = _schedule(calendar, at.astimezone(UTC).year)
        index = bisect_right(days, at, key=lambda day: day.opens_at if is_opening else day.closes_at)
        if not 0 < index < len(days):
            return NO_AUCTION
        opens_at, closes_at = days[index].opens_at, days[index].closes_at
        evening = _at(days[index - 1].day, _AUCTION_EVENING)
    cut_off = opens_at - OPENING_CUT_OFF if is_opening else closes_at - CLOSING_CUT_OFF
    is_open = not is_opening and opens_at <= at
    return Session(is_open, opens_at, closes_at, None if is_open else opens_at, evening <= at < cut_off)


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


@cache
def _extended(calendar: str, year: int) -> tuple[TradingDay, ...]:
    """Return the trading days with the hours before and after the session."""
    return tuple(
        TradingDay(day.day, _at(day.day, _PRE_OPENS), _at(day.day, _post_close(day)))
        for day in _schedule(calendar, year)
    )


def _post_close(day: TradingDay) -> time:
    is_half = day.closes_at.astimezone(_NEW_YORK).time() < _REGULAR_CLOSE
    return _HALF_DAY_POST_CLOSES if is_half else _POST_CLOSES


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, _NEW_YORK).astimezone(UTC)
