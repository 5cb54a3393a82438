"""`/prices/stream`: prices as server-sent events, for whoever wants no WebSocket; the same hub, frames and caps."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, cast
from uuid import UUID

import structlog
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponseBase

from accounts.api.errors import Problem, ProblemError, problem_of, problem_response
from accounts.api.handler import Handover, Receive, Send
from accounts.consumers import get_guard, is_own_origin, session_key_of
from marketdata.domain.types import LONGEST_SYMBOL, MOST_SYMBOLS
from marketdata.hub import HubClient, Line, TooManyConnections, get_hub, line_of
from marketdata.hub.client import CLOSE_SECONDS
from marketdata.hub.wheel import MAX_RATE

RATE = 4
RETRY = b"retry: 1000\n\n"
HEADERS = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
SIGNED_OUT = Problem(401, "Sign in first.")
FOREIGN = Problem(403, "A page of another site may not read this stream.")
TOO_MANY = Problem(429, "You have too many streams open.", retry_after=10)
FULL = Problem(503, "No more streams can be held now.", retry_after=10)

log = structlog.get_logger(__name__)


async def price_stream(request: HttpRequest) -> HttpResponseBase:
    """Stream the prices of `symbols` (AAPL,BTC/USD), at most `rate` frames a second, to a signed-in person."""
    try:
        return await _stream(request)
    except Exception as error:  # noqa: BLE001 - every failure is told as a problem document
        return problem_response(problem_of(error), request)


async def _stream(request: HttpRequest) -> HttpResponseBase:
    if request.method != "GET":
        raise ProblemError(Problem(405, "Only GET reads a stream."))
    scope = cast(ASGIRequest, request).scope
    if not is_own_origin(scope, is_needed=False):
        raise ProblemError(FOREIGN)
    session_key = session_key_of(scope)
    person_id = await get_guard().person_of(session_key)
    if person_id is None:
        raise ProblemError(SIGNED_OUT)
    symbols, rate = _symbols(request), _rate(request)
    refusal = get_hub().refusal(person_id)
    if refusal is not None:
        raise ProblemError(FULL if refusal.is_full else TOO_MANY)
    stream = PriceStream(session_key, person_id)
    return Handover(partial(stream.run, scope, symbols, rate), headers=HEADERS)


def _symbols(request: HttpRequest) -> list[str]:
    symbols = [symbol for symbol in request.GET.get("symbols", "").split(",") if symbol]
    if not 1 <= len(symbols) <= MOST_SYMBOLS or max(map(len, symbols)) > LONGEST_SYMBOL:
        raise ProblemError(Problem(422, f"symbols must name 1 to {MOST_SYMBOLS} instruments, separated by commas."))
    return symbols


def _rate(request: HttpRequest) -> int:
    written = request.GET.get("rate", str(RATE))
    if written not in map(str, range(1, MAX_RATE + 1)):
        raise ProblemError(Problem(422, f"rate must be a whole number from 1 to {MAX_RATE}."))
    return int(written)


class PriceStream:
    """One reader, from the first price to the end of the connection or the session."""

    __slots__ = ("__weakref__", "_client", "_has_ended", "_send", "person_id", "session_key")

    def __init__(self, session_key: str, person_id: UUID) -> None:
        self.session_key = session_key
        self.person_id = person_id
        self._client: HubClient | None = None
        self._has_ended: asyncio.Future[None] | None = None

    async def run(self, scope: Mapping[str, Any], symbols: list[str], rate: int, receive: Receive, send: Send) -> None:
        """Write the body until either side ends."""
        self._send = send
        self._has_ended = asyncio.get_running_loop().create_future()
        await send({"type": "http.response.body", "body": RETRY, "more_body": True})
        try:
            self._client = get_hub().join(self._send_text, self._close, self.person_id, line=line_of(scope))
        except TooManyConnections:
            # Others were let in since this one was looked at; it comes back by itself.
            await send({"type": "http.response.body", "body": b""})
            return
        get_guard().watch(self)
        leaving = asyncio.ensure_future(_left(receive))
        try:
            self._client.subscribe_quotes(symbols, rate=rate)
            await asyncio.wait((leaving, self._has_ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            get_guard().forget(self)
            self._client.leave()
            leaving.cancel()
        if leaving.cancelled() or not leaving.done():
            await self._end(line_of(scope))

    async def _end(self, line: Line | None) -> None:
        """End the body; cut off a reader that takes not even that."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            if line is not None:
                line.abort()

    async def _send_text(self, frame: str) -> None:
        await self._send({"type": "http.response.body", "body": b"data: %b\n\n" % frame.encode(), "more_body": True})

    async def _close(self, code: int) -> None:
        if self._has_ended is not None and not self._has_ended.done():
            self._has_ended.set_result(None)

    def accounts_shown(self) -> Collection[str]:
        """Return none: prices are everybody's."""
        return ()

    def session_ended(self) -> None:
        """End the stream; a reader that comes back is told to sign in."""
        if self._client is not None:
            self._client.drop()

    def session_unknown(self) -> None:
        """End the stream; a reader that comes back is told how things stand."""
        self.session_ended()

    def account_hidden(self, account_id: str) -> None:
        """Do nothing: no account is shown."""


async def _left(receive: Receive) -> None:
    """Return when the reader is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
