"""Assets, clock and calendar."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.errors import NOT_FOUND, ProblemError
from accounts.api.openapi import problems
from accounts.api.parameters import Parameters
from accounts.api.views import ApiView
from marketdata.api.documents import AssetDocument, CalendarDocument, ClockDocument
from marketdata.api.shapes import EXCHANGES, asset_json
from marketdata.domain.types import InstrumentFacts, TradingDay
from marketdata.selectors import (
    calendar_days,
    calendar_session,
    instruments_all,
    instruments_by_id,
    instruments_by_symbol,
)
from trading_portal.kernel import clock

EQUITY_CALENDAR = "XNYS"
MARKET_ZONE = ZoneInfo("America/New_York")
CALENDAR_FIRST, CALENDAR_LAST = date(1990, 1, 1), date(2030, 12, 31)
CALENDAR_SPAN = timedelta(days=366 * 5)
_SPAN_SENTENCE = f"start must lie from {CALENDAR_FIRST} to {CALENDAR_LAST}."
_ROUND_THE_CLOCK = timedelta(hours=24)


def instrument_find(symbol_or_id: str) -> InstrumentFacts | None:
    """Return the instrument that an id, a symbol, or a crypto pair without its slash names."""
    try:
        instrument_id = UUID(symbol_or_id)
    except ValueError:
        symbol = symbol_or_id.upper()
        if not symbol.isprintable():
            return None
        found = instruments_by_symbol([symbol])
        return found.get(symbol) or next((i for i in instruments_all() if i.symbol.replace("/", "") == symbol), None)
    return instruments_by_id([instrument_id]).get(instrument_id)


class Assets(ApiView):
    """List what can be traded."""

    @extend_schema(
        operation_id="assets_list",
        parameters=[
            OpenApiParameter("status", enum=["active", "inactive"]),
            OpenApiParameter("asset_class", enum=["us_equity", "crypto"]),
            OpenApiParameter("exchange", enum=sorted(EXCHANGES)),
            OpenApiParameter("attributes", description="No asset has any: naming one gives an empty list."),
        ],
        responses={200: AssetDocument(many=True), **problems(422)},
    )
    def get(self, request: Request) -> Response:
        """Return every instrument that fits the filters."""
        query = Parameters(request.query_params)
        status = query.choice("status", ("active", "inactive"))
        asset_class = query.choice("asset_class", ("us_equity", "us_option", "crypto", "crypto_perp"))
        exchange = query.text("exchange")
        attributes = query.text("attributes")
        query.check()
        assets = [asset_json(instrument) for instrument in instruments_all()]
        wanted = {"status": status, "class": asset_class, "exchange": exchange}
        return Response(
            [
                asset
                for asset in assets
                if not attributes and all(value is None or asset[name] == value for name, value in wanted.items())
            ]
        )


class Asset(ApiView):
    """One thing that can be traded."""

    @extend_schema(
        operation_id="asset_read",
        parameters=[
            OpenApiParameter(
                "symbol_or_id",
                OpenApiTypes.STR,
                OpenApiParameter.PATH,
                description="An id, or a symbol; a crypto pair as BTC/USD, BTC%2FUSD or BTCUSD.",
            )
        ],
        responses={200: AssetDocument, **problems(404)},
    )
    def get(self, request: Request, symbol_or_id: str) -> Response:
        """Return one instrument."""
        instrument = instrument_find(symbol_or_id)
        if instrument is None:
            raise ProblemError(NOT_FOUND)
        return Response(asset_json(instrument))


class Clock(ApiView):
    """The time, as the equity market counts it."""

    @extend_schema(operation_id="clock_read", responses={200: ClockDocument, **problems()})
    def get(self, request: Request) -> Response:
        """Return whether the market is open, and when it next opens and closes."""
        at = clock.now()
        session = calendar_session(EQUITY_CALENDAR, at)
        next_open_at = session.next_open_at if session.is_open else session.opens_at
        return Response(
            {
                "timestamp": _market_time(at),
                "is_open": session.is_open,
                "next_open": _market_time(next_open_at),
                "next_close": _market_time(session.closes_at),
            }
        )


class Calendar(ApiView):
    """The days on which the equity market trades."""

    @extend_schema(
        operation_id="calendar_list",
        parameters=[OpenApiParameter("start", OpenApiTypes.DATE), OpenApiParameter("end", OpenApiTypes.DATE)],
        responses={200: CalendarDocument(many=True), **problems(422)},
    )
    def get(self, request: Request) -> Response:
        """Return the trading days from start to end; this year and the next when none are named."""
        query = Parameters(request.query_params)
        today = clock.now().astimezone(MARKET_ZONE).date()
        first = query.day("start", date(today.year, 1, 1))
        last = query.day("end", date(min(first.year + 1, CALENDAR_LAST.year), 12, 31))
        query.require("start", CALENDAR_FIRST <= first <= CALENDAR_LAST, _SPAN_SENTENCE)
        query.require("end", last <= first + CALENDAR_SPAN, "end lies more than five years after start.")
        query.check()
        return Response([_day_json(day) for day in calendar_days(EQUITY_CALENDAR, first, last)])


def _market_time(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(MARKET_ZONE).isoformat()


def _day_json(day: TradingDay) -> dict[str, str]:
    """Return a day; one without an end is told as 00:00 to 23:59, for an SDK reads no 24:00."""
    if day.closes_at - day.opens_at >= _ROUND_THE_CLOCK:
        whole = {"open": "00:00", "close": "23:59", "session_open": "0000", "session_close": "2359"}
        return {"date": day.day.isoformat(), **whole}
    opens_at, closes_at = day.opens_at.astimezone(MARKET_ZONE), day.closes_at.astimezone(MARKET_ZONE)
    return {
        "date": day.day.isoformat(),
        "open": f"{opens_at:%H:%M}",
        "close": f"{closes_at:%H:%M}",
        "session_open": f"{opens_at:%H%M}",
        "session_close": f"{closes_at:%H%M}",
    }
