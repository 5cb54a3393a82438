"""`/events/accounts/{id}/`: an account's events as they happen, resumable by Last-Event-ID, here or through Pushpin."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast
from uuid import UUID

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.utils.decorators import decorator_from_middleware
from django_eventstream.views import events as eventstream_view
from django_grip import GripMiddleware

from accounts.api.admitting import admitted_now
from accounts.api.authentication import credentials_of
from accounts.api.errors import NOT_FOUND, UNAUTHORIZED, Problem, ProblemError, problem_of, problem_response
from accounts.domain.keys import SCOPE_READ
from accounts.services import reads_request
from marketdata.hub import TooManyConnections
from orders.eventstream import (
    AccountFollower,
    StreamReader,
    channel_of,
    grip_channel_of,
    hold_note,
    reader_of_token,
    readers_ask_again,
    sequence_last,
    streams_wake,
)
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Unavailable

SETTLE_SECONDS = 0.5
_SEQUENCE = re.compile(r"\d{1,18}", re.ASCII)
_RETRY_MILLISECONDS = 1000
_RETRY = f"retry: {_RETRY_MILLISECONDS}\n\n".encode()

_settling: set[asyncio.Task[None]] = set()
log = structlog.get_logger(__name__)


def _grip_of(request: HttpRequest) -> Any:
    """Return what GripMiddleware knows: `signed` only for what came through the Pushpin that holds our key."""
    return cast(Any, request).grip


def _reader_of(request: HttpRequest, account_id: UUID) -> tuple[StreamReader, UUID]:
    """Return who asks, and the person among whose connections it counts; raise ProblemError for who may not."""
    if credentials_of(request) is None:
        if not request.user.is_authenticated:
            raise ProblemError(UNAUTHORIZED)
        reader = StreamReader.person(request.user.pk)
        if not reader.may_read(account_id):
            raise ProblemError(NOT_FOUND)
        return reader, request.user.pk
    grant = admitted_now(request, scope=SCOPE_READ, charge=reads_request)
    if grant.account_id != account_id:
        raise ProblemError(NOT_FOUND)
    return StreamReader.key(grant.key_id), grant.user_id


def _resume_from(written: str, account_id: UUID) -> str:
    """Return an id as the stream writes it, for a bare sequence too; refuse what is neither; empty for none."""
    channel, _, sequence = written.rpartition(":")
    if not written or written == "error":
        return ""
    if channel not in ("", channel_of(account_id)) or not _SEQUENCE.fullmatch(sequence):
        raise ProblemError(Problem(422, "Last-Event-ID must be the id of an event of this stream."))
    return f"{channel_of(account_id)}:{sequence}"


def _address_forwarded(request: HttpRequest) -> str:
    """Return the caller's address as Pushpin saw it; none, which no bound key allows, where it is not known to say."""
    given = request.headers.get("X-Forwarded-For", "") if settings.GRIP_FORWARDED_FOR else ""
    return "" if "," in given else given.strip()


@decorator_from_middleware(GripMiddleware)
def _answer(request: HttpRequest, account_id: UUID) -> HttpResponseBase:
    """Answer a reader, or Pushpin on behalf of one."""
    try:
        if _grip_of(request).signed and request.GET.get("link") == "next":
            return _go_on(request, account_id)
        return _begin(request, account_id)
    except Exception as error:  # noqa: BLE001 - every failure is told as a problem document
        return problem_response(problem_of(error), request)


def _begin(request: HttpRequest, account_id: UUID) -> HttpResponseBase:
    """Answer one who shows a key or a session."""
    if _grip_of(request).signed:
        request.META["REMOTE_ADDR"] = _address_forwarded(request)
    reader, cast(Any, request).person_id = _reader_of(request, account_id)
    last_id = _resume_from(request.headers.get("Last-Event-ID") or request.GET.get("lastEventId") or "", account_id)
    response = _stream(request, account_id, reader, last_id, QueryDict())
    if isinstance(response, HttpResponse):
        response.content = _RETRY + response.content
    return response


def _go_on(request: HttpRequest, account_id: UUID) -> HttpResponseBase:
    """Answer Pushpin, which asks again for a reader that it holds, with the token that it was given."""
    asked = request.GET
    reader = reader_of_token(asked.get("es-meta", ""), channel_of(account_id))
    if reader is None:
        # Neither hold nor link: Pushpin closes, and a reader comes back with its own credentials and its last id.
        return HttpResponse(content_type="text/event-stream")
    if asked.get("recover") == "true":
        last_id = _resume_from(_grip_of(request).last.get(grip_channel_of(account_id), ""), account_id)
    else:
        last_id = _resume_from(asked.get("lastEventId", ""), account_id)
    if not last_id:
        raise ProblemError(Problem(422, "What the reader had last must be named."))
    return _stream(request, account_id, reader, last_id, QueryDict("link=next"))


def _stream(
    request: HttpRequest, account_id: UUID, reader: StreamReader, last_id: str, query: QueryDict
) -> HttpResponseBase:
    """Let django-eventstream answer, of whose own ways to name a reader and a place none is left open."""
    request_ = cast(Any, request)
    request_.user, request_.GET = reader, query  # the reader comes back to can_read_channel
    request.META.pop("HTTP_LAST_EVENT_ID", None)
    if last_id:
        request.META["HTTP_LAST_EVENT_ID"] = last_id
    if _grip_of(request).signed:
        hold_note(account_id=account_id, reader=reader, at=clock.now())
    response: HttpResponseBase = eventstream_view(request, account_id=account_id)
    if instruct := _grip_of(request).instruct:
        instruct.next_link_timeout = settings.GRIP_RECHECK_SECONDS
    return response


async def account_events(request: HttpRequest, account_id: UUID) -> HttpResponseBase:
    """Stream an account's events: `event` is the type, `id` the account's sequence, `data` the event as JSON."""
    if request.method != "GET":
        return problem_response(Problem(405, "Only GET reads a stream."), request)
    is_held_already = request.GET.get("recover") == "true"
    response: HttpResponseBase = await sync_to_async(_answer)(request, account_id)
    if isinstance(response, StreamingHttpResponse):
        parts = cast(AsyncIterator[bytes], response.streaming_content)
        response.streaming_content = _followed(parts, account_id, cast(Any, request).person_id)
    elif (instruct := _grip_of(request).instruct) and instruct.hold and not is_held_already:
        last = next(channel.prev_id for channel in instruct.channels if channel.name == grip_channel_of(account_id))
        task = asyncio.get_running_loop().create_task(_settle(account_id, cast(Any, request.user), int(last)))
        _settling.add(task)
        task.add_done_callback(_settling.discard)
    return response


async def _settle(account_id: UUID, reader: StreamReader, last: int) -> None:
    """Let Pushpin ask again when something happened while its hold was under way: else it waits for the next event."""
    await asyncio.sleep(SETTLE_SECONDS)

    def look() -> None:
        if sequence_last(account_id) > last:
            readers_ask_again(account_id=account_id, reader=reader)

    try:
        await sync_to_async(look, thread_sensitive=False)()
    except Exception as error:  # noqa: BLE001 - nobody waits for it, and Pushpin asks again by itself in a while
        log.warning("account_stream.not_settled", account_id=str(account_id), error=repr(error))


async def _followed(parts: AsyncIterator[bytes], account_id: UUID, person_id: UUID) -> AsyncIterator[bytes]:
    """Yield the stream's parts, woken by the hub; end when it cannot be followed, for a reader then comes back."""
    has_ended = asyncio.Event()

    async def heard(message: Mapping[str, Any] | None) -> None:
        streams_wake(account_id)

    async def closed(code: int) -> None:
        has_ended.set()
        streams_wake(account_id)

    follower = AccountFollower(account_id, heard, closed, person_id=person_id)
    try:
        await follower.start()
        yield _RETRY
        async for part in parts:
            yield part
            if has_ended.is_set():
                return
    except (TooManyConnections, Unavailable):
        yield f"retry: {_RETRY_MILLISECONDS * 10}\n\n".encode()
    finally:
        follower.stop()
