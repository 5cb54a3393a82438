"""`/events/accounts/{id}/`: an account's events as they happen, resumable by Last-Event-ID, here or through Pushpin."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, cast
from uuid import UUID

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.utils.decorators import decorator_from_middleware
from django_eventstream.utils import add_default_headers
from django_eventstream.views import events as eventstream_view
from django_grip import GripMiddleware

from accounts.api.admitting import admitted_now
from accounts.api.authentication import credentials_of
from accounts.api.errors import NOT_FOUND, UNAUTHORIZED, Problem, ProblemError, problem_of, problem_response
from accounts.api.pool import in_pool
from accounts.domain.keys import SCOPE_READ
from accounts.services import reads_request
from audit.selectors import account_sequence_last
from marketdata.hub import TooManyConnections
from orders.api.account_access import access_watched
from orders.api.stream import UNAUTHORIZED as LAPSED
from orders.eventstream import (
    AccountFollower,
    Place,
    StreamReader,
    account_parts,
    channel_of,
    forbidden_sse,
    grip_channel_of,
    hold_note,
    reader_of_token,
    readers_ask_again,
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
    reader, person_id = _reader_of(request, account_id)
    last_id = _resume_from(request.headers.get("Last-Event-ID") or request.GET.get("lastEventId") or "", account_id)
    if _grip_of(request).signed:
        held = _held(request, account_id, reader, last_id, QueryDict())
        held.content = _RETRY + held.content
        return held
    since = int(last_id.rpartition(":")[2]) if last_id else None
    parts = _followed(request, reader, account_id, since, person_id)
    direct = StreamingHttpResponse(parts, content_type="text/event-stream")
    add_default_headers(direct, request=request)
    return direct


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
    return _held(request, account_id, reader, last_id, QueryDict("link=next"))


def _held(request: HttpRequest, account_id: UUID, reader: StreamReader, last_id: str, query: QueryDict) -> HttpResponse:
    """Let django-eventstream answer Pushpin; of its own ways to name a reader and a place none is left open."""
    request_ = cast(Any, request)
    request_.user, request_.GET = reader, query  # the reader comes back to can_read_channel
    request.META.pop("HTTP_LAST_EVENT_ID", None)
    if last_id:
        request.META["HTTP_LAST_EVENT_ID"] = last_id
    hold_note(account_id=account_id, reader=reader, at=clock.now())
    response: HttpResponse = eventstream_view(request, account_id=account_id)
    if instruct := _grip_of(request).instruct:
        instruct.next_link_timeout = settings.GRIP_RECHECK_SECONDS
    return response


async def account_events(request: HttpRequest, account_id: UUID) -> HttpResponseBase:
    """Stream an account's events: `event` is the type, `id` the account's sequence, `data` the event as JSON."""
    if request.method != "GET":
        return problem_response(Problem(405, "Only GET reads a stream."), request)
    is_held_already = request.GET.get("recover") == "true"
    try:
        response = await in_pool(_answer, request, account_id)
    except Unavailable as error:
        return problem_response(problem_of(error), request)
    if (instruct := _grip_of(request).instruct) and instruct.hold and not is_held_already:
        last = next(channel.prev_id for channel in instruct.channels if channel.name == grip_channel_of(account_id))
        task = asyncio.get_running_loop().create_task(_settle(account_id, cast(Any, request.user), int(last)))
        _settling.add(task)
        task.add_done_callback(_settling.discard)
    return response


async def _settle(account_id: UUID, reader: StreamReader, last: int) -> None:
    """Let Pushpin ask again when something happened while its hold was under way: else it waits for the next event."""
    await asyncio.sleep(SETTLE_SECONDS)
    try:
        if await in_pool(account_sequence_last, account_id) > last:
            await sync_to_async(readers_ask_again, thread_sensitive=False)(account_id=account_id, reader=reader)
    except Exception as error:  # noqa: BLE001 - nobody waits for it, and Pushpin asks again by itself in a while
        log.warning("account_stream.not_settled", account_id=str(account_id), error=repr(error))


async def _followed(
    request: HttpRequest, reader: StreamReader, account_id: UUID, since: int | None, person_id: UUID
) -> AsyncIterator[bytes]:
    """Yield what came after `since` (None: from now on) and what comes; end when it cannot be followed.

    End too, and say so, as soon as what opened it no longer lets it be read.
    """
    woken = asyncio.Event()
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def end(code: int) -> None:
        if not ended.done():
            ended.set_result(code)

    async def heard(message: Mapping[str, Any] | None) -> None:
        woken.set()

    async def closed(code: int) -> None:
        end(code)

    follower = AccountFollower(account_id, heard, closed, person_id=person_id)
    try:
        with access_watched(request, account_id, person_id, end):
            last = await follower.start()
            yield _RETRY
            place = Place(reader, account_id, last if since is None else since)
            async with aclosing(_until(ended, account_parts(place, woken))) as told:
                async for part in told:
                    yield part
        if ended.done() and ended.result() == LAPSED:
            yield forbidden_sse(account_id).encode()
    except (TooManyConnections, Unavailable, DatabaseError) as error:
        log.warning("account_stream.not_followed", account_id=str(account_id), error=repr(error))
        yield f"retry: {_RETRY_MILLISECONDS * 10}\n\n".encode()
    finally:
        follower.stop()


async def _until(ended: asyncio.Future[int], parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Yield parts until there are no more, or the stream has ended: then none that was still to come."""
    while True:
        part = asyncio.ensure_future(anext(parts, None))
        try:
            await asyncio.wait((part, ended), return_when=asyncio.FIRST_COMPLETED)
            if ended.done() or (told := part.result()) is None:
                return
        finally:
            part.cancel()
        yield told
