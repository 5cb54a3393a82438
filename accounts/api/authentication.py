"""Know the caller by APCA-API-KEY-ID and APCA-API-SECRET-KEY."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.api.errors import CHALLENGE, Problem, error_of
from accounts.domain.types import KeyGrant
from accounts.selectors import keys_verify
from audit.domain.types import Actor
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Reason
from trading_portal.kernel.ids import uuid7

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)
_SECRET_LENGTH = 128
_SENTENCES = {
    "SCOPE_MISSING": "This API key may not do this.",
    "ADDRESS_NOT_ALLOWED": "This API key may not be used from this address.",
}


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller as REST framework's `request.user`: a person, acting through a key for one account."""

    grant: KeyGrant

    is_authenticated = True
    is_active = True

    @property
    def pk(self) -> UUID:
        """Return the person's id."""
        return self.grant.user_id

    @property
    def id(self) -> UUID:
        """Return the person's id."""
        return self.grant.user_id

    @property
    def actor(self) -> Actor:
        """Return who the event log names."""
        return Actor.api_key(self.grant.key_id)


def credentials_usable(key_id: object, secret: object) -> tuple[str, str] | None:
    """Return credentials that could belong to a key, None for what certainly does not."""
    if not isinstance(key_id, str) or not isinstance(secret, str):
        return None
    if not _KEY_ID.fullmatch(key_id) or not 0 < len(secret) <= _SECRET_LENGTH:
        return None
    return key_id, secret


def credentials_of(request: HttpRequest | Request) -> tuple[str, str] | None:
    """Return the credentials that a request carries, None when it carries none that could be right."""
    return credentials_usable(request.META.get("HTTP_APCA_API_KEY_ID"), request.META.get("HTTP_APCA_API_SECRET_KEY"))


def address_of(request: HttpRequest | Request) -> str:
    """Return the address the request comes from, as the server sees it."""
    return str(request.META.get("REMOTE_ADDR") or "")


def correlation_of(request: HttpRequest | Request) -> UUID:
    """Return the id that joins all that a request sets off."""
    given: UUID | None = getattr(request, "correlation_id", None)
    return given or uuid7()


def grant_problem(why: Reason) -> Problem:
    """Return the refusal of a key that is valid, but not for this."""
    sentence = _SENTENCES[why.code]
    return Problem(403, sentence, errors=(error_of(why, sentence),))


class ApiKeyAuthentication(BaseAuthentication):
    """Authenticate REST framework's requests by API key."""

    def authenticate(self, request: Request) -> tuple[Principal, KeyGrant] | None:
        """Return the caller and what the key grants; None when no key is named, refuse a wrong one."""
        credentials = credentials_of(request)
        if credentials is None:
            return None
        (grant,) = keys_verify([credentials], clock.now())
        if grant is None:
            raise AuthenticationFailed
        return Principal(grant), grant

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme, so that a missing key is answered with 401."""
        return CHALLENGE
