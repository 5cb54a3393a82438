"""The base of every REST resource: key, scope, address and rate, in this order."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api import openapi  # noqa: F401 - registers the description of the API key
from accounts.api.authentication import Principal, address_of, correlation_of, grant_problem
from accounts.api.errors import NOT_FOUND, ProblemError, problem_response
from accounts.api.rates import rate_headers, rate_problem
from accounts.api.reading import Asked, Readable
from accounts.domain.keys import SCOPE_READ, SCOPE_TRADE, grant_refusal
from accounts.domain.rates import RateAnswer, RateRequest
from accounts.domain.types import KeyGrant
from accounts.selectors import account_by_id
from accounts.services import rates_take, reads_request
from audit.domain.types import Actor
from trading_portal.kernel import clock


class ApiView(APIView):
    """Answer for the account of the caller's key."""

    _rate: RateAnswer | None = None

    @property
    def grant(self) -> KeyGrant:
        """Return what the caller's key grants."""
        return cast(KeyGrant, self.request.auth)

    @property
    def actor(self) -> Actor:
        """Return who the event log names."""
        return cast(Principal, self.request.user).actor

    @property
    def correlation_id(self) -> UUID:
        """Return the id that joins all that this request sets off."""
        return correlation_of(self.request)

    @property
    def request_id(self) -> str:
        """Return the id that the caller can name this request by."""
        return str(getattr(self.request, "request_id", ""))

    def budget(self) -> RateRequest | None:
        """Return what a request takes from its key's budget; nothing for a cancel, which is never refused."""
        return None if self.request.method == "DELETE" else reads_request(self.grant)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate, then check scope, address and rate."""
        super().initial(request, *args, **kwargs)
        scope = SCOPE_READ if request.method in SAFE_METHODS else SCOPE_TRADE
        if why := grant_refusal(self.grant, scope=scope, address=address_of(request)):
            raise ProblemError(grant_problem(why))
        if budget := self.budget():
            (self._rate,) = rates_take([budget])
            if not self._rate.is_allowed:
                raise ProblemError(rate_problem(self._rate))

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        """Say how much of the budget is left."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        if self._rate is not None:
            for name, value in rate_headers(self._rate).items():
                answer.headers[name] = value
        return answer

    def read(self, readable: Readable, **given: object) -> Response:
        """Return what can be read, to whoever was let in. `accounts.api.reading.reading` is what addresses run."""
        account = account_by_id(self.grant.account_id)
        assert account is not None
        answer = readable.read(Asked(account, 0, clock.now(), self.request, given=given))
        return Response(answer.body, headers={**answer.headers, "ETag": answer.etag})


async def not_found(request: HttpRequest, **kwargs: str) -> HttpResponse:
    """Answer for every address under the API's root that is not one of its resources."""
    return problem_response(NOT_FOUND, request)
