"""Give every request an id, in and out."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any
from uuid import UUID

import structlog
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from trading_portal.kernel.ids import uuid7

_USABLE = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


def _begin(request: HttpRequest) -> None:
    asked = request.headers.get("X-Request-ID", "")
    correlation_id = uuid7()
    try:
        correlation_id = UUID(asked)
    except ValueError:
        asked = asked if _USABLE.fullmatch(asked) else ""
    request.request_id = asked or str(correlation_id)  # type: ignore[attr-defined]
    request.correlation_id = correlation_id  # type: ignore[attr-defined]
    structlog.contextvars.bind_contextvars(request_id=asked or str(correlation_id), correlation_id=str(correlation_id))


@sync_and_async_middleware
def request_id(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Take X-Request-ID when it is usable, else make one; a UUID there is the correlation id of all that follows."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            _begin(request)
            response: HttpResponseBase = await get_response(request)
            response.headers["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
            return response

        return answer_async

    def answer(request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        _begin(request)
        response: HttpResponseBase = get_response(request)
        response.headers["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
        return response

    return answer
