"""Give every request an id, in and out, and count it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any
from uuid import UUID

import structlog
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7
from trading_portal.metrics.requests import answered

_USABLE = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


def _begin(request: HttpRequest) -> None:
    # Not `request.headers`, which reads all of them to give one.
    asked = request.META.get("HTTP_X_REQUEST_ID", "")
    given = _uuid(asked) if asked else None
    correlation_id = given or uuid7()
    correlation = str(correlation_id)
    request_id = asked if given or _USABLE.fullmatch(asked) else correlation
    request.request_id = request_id  # type: ignore[attr-defined]
    request.correlation_id = correlation_id  # type: ignore[attr-defined]
    structlog.contextvars.bind_contextvars(request_id=request_id, correlation_id=correlation)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


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


@sync_and_async_middleware
def metrics(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Count each request by its view, method and status, with how long its answer took."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            begun = clock.monotonic()
            response: HttpResponseBase = await get_response(request)
            answered(request, response.status_code, clock.monotonic() - begun)
            return response

        return answer_async

    def answer(request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        begun = clock.monotonic()
        response: HttpResponseBase = get_response(request)
        answered(request, response.status_code, clock.monotonic() - begun)
        return response

    return answer
