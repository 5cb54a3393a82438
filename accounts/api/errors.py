"""Turn whatever goes wrong into one shape: RFC 9457, with Alpaca's `code` and `message` beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from redis.exceptions import RedisError
from rest_framework import exceptions
from rest_framework.response import Response

from trading_portal.kernel.errors import PortalError, Reason, Unavailable

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
CLIENT_ORDER_ID_TAKEN = 40010001
RETRY_SECONDS = 1
CHALLENGE = 'ApiKey realm="trading-portal"'
_NAMES = {
    400: "bad-request", 401: "unauthorized", 403: "refused", 404: "not-found", 405: "method-not-allowed",
    413: "too-large", 415: "media-type", 422: "unprocessable", 429: "too-many-requests", 503: "unavailable",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Problem:
    """One answer that is not the one hoped for; `code` follows from the status unless it is given."""

    status: int
    message: str
    code: int = 0
    errors: Sequence[Mapping[str, object]] = ()
    retry_after: int | None = None
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """Return Alpaca's number: the status, then five digits."""
        return self.code or self.status * 100_000 + 10_000

    def body(self, *, path: str, request_id: str) -> dict[str, object]:
        """Return the JSON body."""
        return {
            "type": f"urn:trading-portal:problem:{_NAMES.get(self.status, 'error')}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.message,
            "instance": path,
            "request_id": request_id,
            "code": self.number,
            "message": self.message,
            "errors": list(self.errors),
            **self.extra,
        }

    def headers(self) -> dict[str, str]:
        """Return the headers that go with the body."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = CHALLENGE
        return headers


class ProblemError(Exception):
    """Carry a problem up to where answers are made."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


UNAUTHORIZED = Problem(401, "The request is not authorized: the API key is missing, wrong, expired or revoked.")
NOT_FOUND = Problem(404, "There is no such resource.")


def error_of(why: Reason, sentence: str, **beside: object) -> dict[str, object]:
    """Return one entry of `errors`: code, facts and sentence."""
    return {**why.as_dict(), "sentence": sentence, **beside}


def problem_of(error: Exception) -> Problem:
    """Return the problem that an exception means; what nobody foresaw is logged and told as 500."""
    if isinstance(error, ProblemError):
        return error.problem
    if isinstance(error, PortalError):
        retry_after = RETRY_SECONDS if isinstance(error, Unavailable) else None
        errors = (error_of(error.reason, error.sentence),)
        return Problem(error.status, error.sentence, errors=errors, retry_after=retry_after)
    if isinstance(error, RequestDataTooBig):
        return Problem(413, "The body is larger than this address takes.")
    if isinstance(error, Http404):
        return NOT_FOUND
    if isinstance(error, PermissionDenied):
        return Problem(403, "This is not allowed.")
    if isinstance(error, SuspiciousOperation):
        return Problem(400, "The request is malformed.")
    if isinstance(error, OperationalError | InterfaceError | RedisError):
        log.warning("api.unavailable", error=str(error))
        return Problem(503, "The portal cannot answer now. Send the same request again.", retry_after=RETRY_SECONDS)
    if isinstance(error, exceptions.APIException):
        return _problem_of_framework(error)
    log.error("api.failed", exc_info=error)
    return Problem(500, "The portal failed. The failure has been recorded under this request's id.")


def _problem_of_framework(error: exceptions.APIException) -> Problem:
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        return UNAUTHORIZED
    if isinstance(error, exceptions.ValidationError):
        return Problem(422, "A parameter is not valid.", errors=tuple(_field_errors(error.detail)))
    return Problem(error.status_code, str(error.detail))


def _field_errors(detail: Any) -> list[dict[str, object]]:
    if not isinstance(detail, Mapping):
        return [{"code": "INVALID", "facts": {}, "sentence": str(part)} for part in detail]
    return [
        {"code": str(getattr(part, "code", "invalid")).upper(), "facts": {"field": name}, "sentence": str(part)}
        for name, parts in detail.items()
        for part in (parts if isinstance(parts, Sequence) and not isinstance(parts, str) else [parts])
    ]


def problem_from_exception(error: Exception, context: Mapping[str, Any]) -> Response:
    """Answer for REST framework views (its EXCEPTION_HANDLER)."""
    problem = problem_of(error)
    request = context["request"]
    body = problem.body(path=request.path, request_id=getattr(request, "request_id", ""))
    return Response(body, status=problem.status, headers=problem.headers(), content_type=MEDIA_TYPE)


def problem_response(problem: Problem, request: HttpRequest) -> HttpResponse:
    """Answer for plain views."""
    body = problem.body(path=request.path, request_id=getattr(request, "request_id", ""))
    return HttpResponse(orjson.dumps(body), status=problem.status, headers=problem.headers(), content_type=MEDIA_TYPE)
