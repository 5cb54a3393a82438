"""Serve reads: key, scope, address and rate as everywhere, then bytes that are true of this instant.

Requests gather (`accounts.api.gathering`), so that one statement verifies the keys of all of them and one call counts
them against their budgets. That statement also reads how far each account's log goes. An answer made before is sent
again only where that number, and whatever else the answer hangs on, is what it was when it was made.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Generic, Protocol, TypeVar

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, QueryDict
from django.utils.http import parse_etags
from rest_framework.request import Request

from accounts.api.admitting import admission_problem, call_of
from accounts.api.errors import UNAUTHORIZED, Problem, problem_of, problem_response
from accounts.api.gathering import Gathering
from accounts.api.pool import AsyncView, in_reading_pool
from accounts.api.rates import with_rate
from accounts.api.renderers import JsonRenderer
from accounts.domain.admission import Admission, Call
from accounts.domain.keys import SCOPE_READ
from accounts.domain.rates import RateAnswer
from accounts.domain.types import AccountFacts
from accounts.services import calls_admit, reads_request
from trading_portal.kernel import clock

KEPT_BYTES = 64_000_000
OVERHEAD_BYTES = 500

_being_read: dict[object, asyncio.Task[Answer]] = {}

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """The JSON of one answer, and the headers that go with it."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""

    @classmethod
    def of(cls, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Return an answer that is known by what it says."""
        return cls(body, headers or {}, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"')


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody who was let in asks for; `sequence` is the last event of the account that they can know of."""

    account: AccountFacts
    sequence: int
    at: datetime
    request: HttpRequest | Request
    target: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def query(self) -> QueryDict:
        """Return the query's parameters; whose answer is kept needs none."""
        return self.request.GET


Together = Callable[[Sequence[Asked]], Sequence[Answer | None]]


class Readable(Protocol):
    """Something that can be read, from several threads. `is_of_version`: nothing but the account's rows is in it."""

    is_of_version: bool

    def at_once(self, asked: Sequence[Asked]) -> Sequence[Answer | None]:
        """Return the answers that can be had without a statement for each; for the others None."""

    def read(self, asked: Asked) -> Answer:
        """Read one answer; raise ProblemError where there is none."""


class Kept(Generic[T]):
    """Keep values under the version that they are of, the newest of each key, within a number of bytes."""

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self._limit = limit
        self._size = 0
        self._lock = threading.Lock()
        self._values: OrderedDict[object, tuple[int, T, int]] = OrderedDict()

    def get(self, key: object, version: int) -> T | None:
        """Return what is kept of this version."""
        with self._lock:
            found = self._values.get(key)
            if found is None or found[0] != version:
                return None
            self._values.move_to_end(key)
            return found[1]

    def put(self, key: object, version: int, value: T, size: int) -> None:
        """Keep a value, unless a newer one is there; what was not asked for the longest goes when there is no room."""
        with self._lock:
            found = self._values.get(key)
            if found is not None and found[0] > version:
                return
            self._size += size - (found[2] if found else 0)
            self._values[key] = (version, value, size)
            self._values.move_to_end(key)
            while self._size > self._limit and self._values:
                _, (_, _, gone) = self._values.popitem(last=False)
                self._size -= gone


class OfAccount:
    """What hangs on nothing but the account's own rows: kept as long as its log does not grow.

    What is not kept is read one by one, or, where there is a way, `together` with one statement for a whole batch.
    """

    is_of_version = True

    def __init__(self, read: Callable[[Asked], Answer], *, together: Together | None = None) -> None:
        self._read = read
        self._together = together
        self._kept: Kept[Answer] = Kept()

    def at_once(self, asked: Sequence[Asked]) -> Sequence[Answer | None]:
        """Return the answers that are kept, or that can be read together."""
        answers = [self._kept.get((each.account.id, each.target), each.sequence) for each in asked]
        missing = [index for index, answer in enumerate(answers) if answer is None]
        if self._together and missing:
            for index, answer in zip(missing, self._together([asked[index] for index in missing]), strict=True):
                if answer is not None:
                    answers[index] = self._keep(asked[index], answer)
        return answers

    def read(self, asked: Asked) -> Answer:
        """Read one answer, and keep it."""
        return self._keep(asked, self._read(asked))

    def _keep(self, asked: Asked, answer: Answer) -> Answer:
        size = len(answer.body) + len(asked.target) + OVERHEAD_BYTES
        self._kept.put((asked.account.id, asked.target), asked.sequence, answer, size)
        return answer


@dataclass(frozen=True, slots=True)
class _Request:
    """A request that nobody has looked at."""

    call: Call
    readable: Readable
    request: HttpRequest
    target: str
    given: Mapping[str, Any]


@dataclass(slots=True)
class _Judged:
    """What became of a request at the gate: refused, or let in and perhaps answered."""

    problem: Problem | None = None
    rate: RateAnswer | None = None
    asked: Asked | None = None
    answer: Answer | None = None


def reading(readable: Readable) -> AsyncView:
    """Return the view of something that can be read."""

    async def view(request: HttpRequest, **given: Any) -> HttpResponse:
        judged = _Judged()
        try:
            judged = await _judged(request, readable, given)
            response = await _response(request, readable, judged)
        except Exception as error:  # noqa: BLE001 - every failure is told as a problem document
            response = problem_response(problem_of(error), request)
        return with_rate(response, judged.rate)

    return view


async def _judged(request: HttpRequest, readable: Readable, given: Mapping[str, Any]) -> _Judged:
    call = call_of(request, scope=SCOPE_READ, charge=reads_request)
    target = f"{request.path}?{request.META['QUERY_STRING']}"
    return await gate().ask(_Request(call, readable, request, target, given))


async def _response(request: HttpRequest, readable: Readable, judged: _Judged) -> HttpResponse:
    if judged.problem is not None or judged.asked is None:
        return problem_response(judged.problem or UNAUTHORIZED, request)
    answer = judged.answer or await _read(readable, judged.asked)
    headers = {**answer.headers, "ETag": answer.etag}
    known = request.META.get("HTTP_IF_NONE_MATCH")
    if known and _is_known(answer.etag, known):
        return HttpResponseNotModified(headers=headers)
    return HttpResponse(answer.body, headers=headers, content_type=JsonRenderer.media_type)


async def _read(readable: Readable, asked: Asked) -> Answer:
    """Read one answer; who asks for the same of the same version while it is read waits for it."""
    if not readable.is_of_version:
        return await in_reading_pool(readable.read, asked)
    loop = asyncio.get_running_loop()
    key = loop, readable, asked.account.id, asked.target, asked.sequence
    task = _being_read.get(key)
    if task is None:
        task = _being_read[key] = loop.create_task(in_reading_pool(readable.read, asked))
        task.add_done_callback(lambda _: _being_read.pop(key, None))
    return await asyncio.shield(task)


def _is_known(etag: str, written: str) -> bool:
    known = parse_etags(written)
    return known == ["*"] or etag in (each.removeprefix("W/") for each in known)


@cache
def gate() -> Gathering[_Request, _Judged]:
    """Return this process's gate."""
    return Gathering(_let_in, name="reads")


def _let_in(requests: Sequence[_Request]) -> list[_Judged]:
    """Judge a batch, and answer what can be answered at once."""
    at = clock.now()
    admissions = calls_admit([each.call for each in requests], at=at)
    judged = [_judge(each, found, at) for each, found in zip(requests, admissions, strict=True)]
    by_readable: dict[Readable, list[_Judged]] = {}
    for one, each in zip(judged, requests, strict=True):
        if one.asked is not None:
            by_readable.setdefault(each.readable, []).append(one)
    for readable, group in by_readable.items():
        _answer_at_once(readable, group)
    return judged


def _judge(each: _Request, found: Admission, at: datetime) -> _Judged:
    if found.reading is None or not found.is_let_in:
        return _Judged(admission_problem(found), found.rate)
    account, sequence = found.reading.account, found.reading.sequence
    return _Judged(rate=found.rate, asked=Asked(account, sequence, at, each.request, each.target, each.given))


def _answer_at_once(readable: Readable, group: Sequence[_Judged]) -> None:
    try:
        answers = readable.at_once([one.asked for one in group if one.asked])
    except Exception:
        # They are read one by one, and each is told what is wrong with it alone.
        log.exception("reads.together_failed", requests=len(group))
        return
    for one, answer in zip(group, answers, strict=True):
        one.answer = answer
