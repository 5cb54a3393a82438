"""`/events/accounts/{id}/`: an account's events as they happen, resumable by Last-Event-ID."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django_eventstream.views import events as eventstream_view

from accounts.api.authentication import credentials_of, grant_of
from accounts.api.errors import NOT_FOUND, UNAUTHORIZED, Problem, ProblemError, problem_of, problem_response
from accounts.api.rates import rate_problem, reads_request
from accounts.domain.keys import SCOPE_READ
from accounts.selectors import account_visible, keys_verify
from accounts.services import rates_take
from marketdata.hub import TooManyConnections
from orders.eventstream import AccountFollower, channel_of, streams_wake
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Unavailable

_SEQUENCE = re.compile(r"\d{1,18}", re.ASCII)
_RETRY_MILLISECONDS = 1000


@dataclass(frozen=True, slots=True)
class StreamReader:
    """Who reads: a signed-in person, or a program with a key; both are asked again before every read."""

    pk: UUID
    credentials: tuple[str, str] | None = None

    is_authenticated = True

    @property
    def id(self) -> UUID:
        """Return the person's id."""
        return self.pk

    def may_read(self, account_id: UUID) -> bool:
        """Tell whether this account may be read now."""
        if self.credentials is None:
            return account_visible(self.pk, account_id) is not None
        (grant,) = keys_verify([self.credentials], clock.now())
        return grant is not None and grant.account_id == account_id


def _reader_of(request: HttpRequest, account_id: UUID) -> StreamReader:
    """Return who asks; raise ProblemError for who may not."""
    credentials = credentials_of(request)
    if credentials is None:
        if not request.user.is_authenticated:
            raise ProblemError(UNAUTHORIZED)
        reader = StreamReader(request.user.pk)
        if not reader.may_read(account_id):
            raise ProblemError(NOT_FOUND)
        return reader
    grant = grant_of(request, scope=SCOPE_READ)
    if grant.account_id != account_id:
        raise ProblemError(NOT_FOUND)
    (rate,) = rates_take([reads_request(grant)])
    if not rate.is_allowed:
        raise ProblemError(rate_problem(rate))
    return StreamReader(grant.user_id, credentials)


def _resume_from(request: HttpRequest, account_id: UUID) -> None:
    """Take the id as a bare sequence or as the stream writes it; refuse what is neither."""
    written = request.headers.get("Last-Event-ID") or request.GET.get("lastEventId") or ""
    channel, _, sequence = written.rpartition(":")
    if not written or written == "error":
        request.META.pop("HTTP_LAST_EVENT_ID", None)
        return
    if channel not in ("", channel_of(account_id)) or not _SEQUENCE.fullmatch(sequence):
        raise ProblemError(Problem(422, "Last-Event-ID must be the id of an event of this stream."))
    request.META["HTTP_LAST_EVENT_ID"] = f"{channel_of(account_id)}:{sequence}"


async def account_events(request: HttpRequest, account_id: UUID) -> HttpResponseBase:
    """Stream an account's events: `event` is the type, `id` the account's sequence, `data` the event as JSON."""
    if request.method != "GET":
        return problem_response(Problem(405, "Only GET reads a stream."), request)
    try:
        reader = await sync_to_async(_reader_of)(request, account_id)
        _resume_from(request, account_id)
        request.user = reader  # type: ignore[assignment]  # django-eventstream hands it to can_read_channel
        response: HttpResponseBase = await sync_to_async(eventstream_view)(request, account_id=account_id)
    except Exception as error:  # noqa: BLE001 - every failure is told as a problem document
        return problem_response(problem_of(error), request)
    if isinstance(response, StreamingHttpResponse):
        parts = cast(AsyncIterator[bytes], response.streaming_content)
        response.streaming_content = _followed(parts, account_id)
    return response


async def _followed(parts: AsyncIterator[bytes], account_id: UUID) -> AsyncIterator[bytes]:
    """Yield the stream's parts, woken by the hub; end when it cannot be followed, for a reader then comes back."""
    has_ended = asyncio.Event()

    async def heard(message: Mapping[str, Any] | None) -> None:
        streams_wake(account_id)

    async def closed(code: int) -> None:
        has_ended.set()
        streams_wake(account_id)

    follower = AccountFollower(account_id, heard, closed)
    try:
        await follower.start()
        yield f"retry: {_RETRY_MILLISECONDS}\n\n".encode()
        async for part in parts:
            yield part
            if has_ended.is_set():
                return
    except (TooManyConnections, Unavailable):
        yield f"retry: {_RETRY_MILLISECONDS * 10}\n\n".encode()
    finally:
        follower.stop()
