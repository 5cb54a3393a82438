"""What pages read of the market: instruments, and candles to draw."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import wraps
from typing import Any, cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.api.errors import Problem, ProblemError, problem_of, problem_response
from marketdata.domain.types import Candle, InstrumentFacts, LastClose, Session
from marketdata.selectors import (
    candles_list,
    closes_last,
    closes_previous,
    instruments_all,
    instruments_by_symbol,
    session_at,
    watchlist_symbols,
)
from trading_portal.kernel import clock
from trading_portal.kernel.money import plain

INTERVALS = ("1m", "5m", "1h", "1d")
CANDLES_DEFAULT, CANDLES_LIMIT = 500, 2000
LAST_SECOND = 253_402_300_799
SIGNED_OUT = Problem(401, "Your session has ended. Sign in again.")


def _answers(view: Any) -> Any:
    """Let only signed-in people in, and turn what goes wrong into problem+json."""

    @wraps(view)
    def answered(request: HttpRequest) -> HttpResponse:
        if not request.user.is_authenticated:
            return problem_response(SIGNED_OUT, request)
        try:
            answer: HttpResponse = view(request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the page gets a problem it can read
            return problem_response(problem_of(error), request)
        return answer

    return answered


@never_cache
@require_GET
@_answers
def instruments(request: HttpRequest) -> HttpResponse:
    """Return every active instrument, the person's watched ones first."""
    at = clock.now()
    found = instruments_all()
    ids = [one.id for one in found]
    last, previous = closes_last(ids), closes_previous(ids, at)
    watched = {symbol: place for place, symbol in enumerate(watchlist_symbols(cast(UUID, request.user.pk)))}
    found.sort(key=lambda one: watched.get(one.symbol, len(watched)))
    listed = [
        {
            **_instrument_json(one, last.get(one.id), previous.get(one.id)),
            "is_watched": one.symbol in watched,
            "session": _session_json(session_at(one, at)),
        }
        for one in found
    ]
    return JsonResponse({"instruments": listed})


@never_cache
@require_GET
@_answers
def candles(request: HttpRequest) -> HttpResponse:
    """Return an instrument's latest candles, oldest first; `before` (seconds since 1970) asks for older ones."""
    symbol = request.GET.get("symbol", "")
    interval = request.GET.get("interval", "1m")
    instrument = instruments_by_symbol([symbol]).get(symbol) if symbol.isprintable() else None
    if instrument is None:
        raise ProblemError(Problem(404, "There is no such instrument."))
    if interval not in INTERVALS:
        raise ProblemError(Problem(422, f"interval must be one of {', '.join(INTERVALS)}."))
    limit = _whole(request, "limit", CANDLES_DEFAULT, CANDLES_LIMIT)
    before = _whole(request, "before", 0, LAST_SECOND)
    end = datetime.fromtimestamp(before, UTC) if before else None
    found = candles_list(instrument.id, interval, end=end, limit=limit)
    return JsonResponse({"symbol": symbol, "interval": interval, "candles": [_candle_json(candle) for candle in found]})


def _whole(request: HttpRequest, name: str, default: int, most: int) -> int:
    written = request.GET.get(name)
    if written is None:
        return default
    if not (written.isascii() and written.isdigit()) or not 1 <= int(written[:12]) <= most or len(written) > 12:
        raise ProblemError(Problem(422, f"{name} must be a whole number from 1 to {most}."))
    return int(written)


def _instrument_json(one: InstrumentFacts, last: LastClose | None, previous: LastClose | None) -> dict[str, object]:
    return {
        "id": str(one.id),
        "symbol": one.symbol,
        "name": one.name,
        "asset_class": one.asset_class,
        "exchange": one.exchange,
        "currency": one.currency,
        "tick_size": plain(one.tick_size),
        "lot_size": plain(one.lot_size),
        "is_tradable": one.is_tradable,
        "is_halted": one.is_halted,
        "is_shortable": one.is_shortable,
        "is_easy_to_borrow": one.is_easy_to_borrow,
        "is_fractionable": one.is_fractionable,
        "fraction": plain(one.fraction),
        "last": plain(last.price) if last else None,
        "last_at": last.at.isoformat() if last else None,
        "previous_close": plain(previous.price) if previous else None,
    }


def _session_json(session: Session) -> dict[str, object]:
    return {
        "is_open": session.is_open,
        "opens_at": session.opens_at.isoformat() if session.opens_at else None,
        "closes_at": session.closes_at.isoformat() if session.closes_at else None,
        "next_open_at": session.next_open_at.isoformat() if session.next_open_at else None,
    }


def _candle_json(candle: Candle) -> dict[str, object]:
    return {
        "t": int(candle.opened_at.timestamp()),
        "o": plain(candle.open),
        "h": plain(candle.high),
        "l": plain(candle.low),
        "c": plain(candle.close),
        "v": plain(candle.volume),
    }
