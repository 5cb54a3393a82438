"""Say whether this process can do its work."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

from marketdata.selectors import instruments_all, quotes_latest
from trading_portal.kernel.errors import Unavailable


def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when the database and Redis answer, else 503; `prices` says whether any market has a price now."""
    parts = {"database": "ok", "redis": "ok", "prices": "ok"}
    symbols: list[str] = []
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        symbols = [instrument.symbol for instrument in instruments_all()]
    except DatabaseError:
        parts["database"] = "does not answer"
    try:
        if not quotes_latest(symbols or ["-"]):
            parts["prices"] = "none"
    except Unavailable:
        parts["redis"] = "does not answer"
        parts["prices"] = "none"
    is_healthy = parts["database"] == parts["redis"] == "ok"
    return JsonResponse(parts, status=200 if is_healthy else 503)
