"""Let requests in: key, scope and address, and rate, in this order, for whatever gathers while those before are judged.

Every request of a plain async view comes through here or through `accounts.api.reading`, except orders that the
placement queue judges with its batch; all of them are judged by `accounts.services.calls_admit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from django.http import HttpRequest

from accounts.api.authentication import address_of, credentials_of, grant_problem
from accounts.api.errors import UNAUTHORIZED, Problem, ProblemError
from accounts.api.gathering import Gathering
from accounts.api.rates import OverRateError, rate_problem
from accounts.domain.admission import Admission, Call, Charge
from accounts.domain.keys import SCOPE_TRADE
from accounts.domain.rates import RateAnswer
from accounts.domain.types import KeyGrant
from accounts.services import calls_admit
from trading_portal.kernel import clock


def call_of(request: HttpRequest, *, scope: str, charge: Charge | None = None) -> Call:
    """Return what a request shows; raise ProblemError when that could be no key."""
    credentials = credentials_of(request)
    if credentials is None:
        raise ProblemError(UNAUTHORIZED)
    return Call(credentials, address_of(request), scope, charge)


def admission_problem(found: Admission) -> Problem | None:
    """Return why a call is not answered, None when it is."""
    if found.reading is None:
        return UNAUTHORIZED
    if found.why is not None:
        return grant_problem(found.why)
    return rate_problem(found.rate) if found.rate and not found.rate.is_allowed else None


async def admitted(request: HttpRequest, charge: Charge) -> tuple[KeyGrant, RateAnswer]:
    """Return what the key of a trading request grants and has left; raise ProblemError for who may not."""
    found = await _gate().ask(call_of(request, scope=SCOPE_TRADE, charge=charge))
    grant = _grant(found)
    assert found.rate is not None
    return grant, found.rate


async def admitted_to_cancel(request: HttpRequest) -> KeyGrant:
    """Return what the key of a cancel grants; nothing is counted, and whatever is waits at another gate."""
    return _grant(await _cancel_gate().ask(call_of(request, scope=SCOPE_TRADE)))


def admitted_now(request: HttpRequest, *, scope: str, charge: Charge) -> KeyGrant:
    """Do the same for one request, on a thread."""
    (found,) = _admissions([call_of(request, scope=scope, charge=charge)])
    return _grant(found)


def _grant(found: Admission) -> KeyGrant:
    if found.reading is not None and found.is_let_in:
        return found.reading.grant
    raise OverRateError(found.rate) if found.rate else ProblemError(admission_problem(found) or UNAUTHORIZED)


def _admissions(calls: Sequence[Call]) -> list[Admission]:
    return calls_admit(calls, at=clock.now())


@cache
def _gate() -> Gathering[Call, Admission]:
    """Return this process's gate for what trades and counts."""
    return Gathering(_admissions, name="admissions", full="API_FULL", late="API_LATE")


@cache
def _cancel_gate() -> Gathering[Call, Admission]:
    """Return the gate for what only reduces risk: it waits for no Redis, and for nothing but its like."""
    return Gathering(_admissions, name="cancel-admissions", full="API_FULL", late="API_LATE")
