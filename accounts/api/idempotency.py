"""The header Idempotency-Key: what it may be, and one answer for one key."""

from __future__ import annotations

import orjson
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import OpenApiParameter

from accounts.api.errors import MEDIA_TYPE, Problem, ProblemError
from accounts.api.pool import in_pool
from accounts.api.renderers import encode
from accounts.domain.idempotency import IdempotencyClaim, is_usable, request_hash
from accounts.domain.types import KeyGrant
from accounts.services import idempotency_answer, idempotency_claim
from trading_portal.kernel import clock

HEADER = "Idempotency-Key"
REPLAYED = {"Idempotent-Replayed": "true"}
_META = "HTTP_IDEMPOTENCY_KEY"
IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    location=OpenApiParameter.HEADER,
    description="The same request under the same key gets the same answer again, for 24 hours.",
)


def has_idempotency_key(request: HttpRequest) -> bool:
    """Tell whether a request names a key; Django's map of all headers is not made for that."""
    return _META in request.META


def idempotency_key_of(request: HttpRequest) -> str | None:
    """Return the key by which a request can be sent again; raise ProblemError for one that is none."""
    key: str | None = request.META.get(_META)
    if key is not None and not is_usable(key):
        raise ProblemError(Problem(422, f"{HEADER} must be 1 to 128 visible ASCII characters."))
    return key


def claimed(request: HttpRequest, grant: KeyGrant, key: str) -> IdempotencyClaim:
    """Claim a key for a request; raise ProblemError for one that belongs to another."""
    asked = request_hash(request.method or "", request.path, request.body)
    claim = idempotency_claim(account_id=grant.account_id, key=key, request_hash=asked, at=clock.now())
    if claim.request_hash != asked:
        raise ProblemError(Problem(422, f"This {HEADER} belongs to another request."))
    return claim


def replayed(claim: IdempotencyClaim) -> HttpResponse:
    """Return the answer that a key's first request was given."""
    media_type = MEDIA_TYPE if claim.status >= 400 else "application/json"
    return HttpResponse(encode(claim.body), status=claim.status, headers=REPLAYED, content_type=media_type)


async def kept(claim: IdempotencyClaim | None, response: HttpResponse) -> HttpResponse:
    """Keep an answer under the key that claimed it; what could not be decided was raised and is never kept."""
    if claim is not None:
        body = orjson.loads(response.content)
        await in_pool(idempotency_answer, claim=claim, status=response.status_code, body=body)
    return response
