"""Serve the API past what it does not need: Django's resolver, views and middleware chain, but a short one.

Django's own ASGI handler gives every request a thread, signals that open and close connections, and a task that
watches for the caller to hang up; and most of its middleware moves to that thread and back. Together that costs several
times what placing an order does. The views here never touch the ORM on the event loop (`accounts.api.pool` runs what
blocks), so they need none of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from functools import cache
from inspect import iscoroutinefunction
from io import BytesIO
from operator import attrgetter
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import ResolverMatch
from django.utils.decorators import sync_and_async_middleware
from django.utils.module_loading import import_string

from accounts.api.errors import Problem, problem_response

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]
GetResponse = Callable[[HttpRequest], Any]

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Handover(HttpResponse):
    """The head of an answer whose body a stream writes itself, for as long as it lives."""

    def __init__(self, stream: Callable[[Receive, Send], Awaitable[None]], **more: Any) -> None:
        super().__init__(**more)
        self.stream = stream


# What calls the view; the type stubs do not know it.
_VIEW = attrgetter("_get_response_async")


@sync_and_async_middleware
def guard(get_response: GetResponse) -> GetResponse:
    """Refuse hosts that are not ours and, where TLS is required, requests without it; never redirect."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            return _refusal(request) or await get_response(request)

        return answer_async

    def answer(request: HttpRequest) -> HttpResponseBase:
        return _refusal(request) or get_response(request)

    return answer


def _refusal(request: HttpRequest) -> HttpResponseBase | None:
    try:
        request.get_host()
    except DisallowedHost:
        return problem_response(Problem(400, "This host is not served here."), request)
    if settings.SECURE_SSL_REDIRECT and not request.is_secure():
        return problem_response(Problem(403, "The API is served over https only."), request)
    return None


class ApiHandler(BaseHandler):
    """Serve the addresses under some prefixes; hand every other one on."""

    def __init__(self, prefixes: Sequence[str], middleware: Sequence[str], otherwise: Any) -> None:
        self._prefixes = tuple(prefixes)
        self._matches: dict[str, ResolverMatch] = {}
        self._otherwise = otherwise
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        handler = convert_exception_to_response(_VIEW(self))
        for path in reversed(middleware):
            handler = convert_exception_to_response(import_string(path)(handler))
        self._middleware_chain = handler
        self._security = _security_headers()

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Find the view of an address; one without parameters is looked for once."""
        known = self._matches.get(request.path_info)
        if known is not None:
            request.resolver_match = known
            return known
        match: ResolverMatch = super().resolve_request(request)
        if not match.args and not match.kwargs:
            self._matches[request.path_info] = match
        return match

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not scope["path"].startswith(self._prefixes):
            await self._otherwise(scope, receive, send)
            return
        body = await _body(receive, settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0)
        if body is None:
            return
        request = ASGIRequest(scope, BytesIO(body))
        response = await self.get_response_async(request)
        request.close()
        if isinstance(response, Handover):
            stream = response.stream
            await send(_head(response, self._security))
            del request, response  # a stream lives for hours
            await stream(receive, send)
        else:
            await _answer(response, self._security, send)


async def _body(receive: Receive, limit: int) -> bytes | None:
    """Return a body, cut off one byte past the limit, where views see that it is too large; None when it broke off."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        if size <= limit:
            parts.append(part[: limit + 1 - size])
        size += len(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _security_headers() -> list[Header]:
    """Return the headers of every answer that does not say otherwise, as they go out."""
    headers = dict(HEADERS)
    if settings.SECURE_HSTS_SECONDS:
        headers["Strict-Transport-Security"] = f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains; preload"
    return [(_wire(name), value.encode("latin-1")) for name, value in headers.items()]


async def _answer(response: Any, security: Sequence[Header], send: Send) -> None:
    content = response.content
    head = _head(response, security)
    head["headers"].append((b"content-length", b"%d" % len(content)))
    await send(head)
    await send({"type": "http.response.body", "body": content})


def _head(response: Any, security: Sequence[Header]) -> Message:
    headers = [(_wire(name), value.encode("latin-1")) for name, value in response.headers.items()]
    said = {name for name, _ in headers}
    headers += [header for header in security if header[0] not in said]
    return {"type": "http.response.start", "status": response.status_code, "headers": headers}


@cache
def _wire(name: str) -> bytes:
    """Return a header's name as it goes out; there are a few dozen."""
    return name.lower().encode("ascii")
