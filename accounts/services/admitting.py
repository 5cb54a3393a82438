"""Let in what API keys send, and count what they send: one statement and one Redis call for a whole batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django_redis import get_redis_connection
from redis import Redis
from redis.exceptions import RedisError

from accounts.domain.admission import Admission, Call
from accounts.domain.keys import grant_refusal
from accounts.domain.rates import TAKE_SCRIPT, WINDOW_SECONDS, RateAnswer, RateRequest, orders_key, requests_key
from accounts.domain.types import KeyGrant
from accounts.selectors import keys_read
from trading_portal.kernel.errors import Unavailable, reason

TakeRates = Callable[[Sequence[RateRequest]], Sequence[RateAnswer]]


def rates_take(requests: Sequence[RateRequest], *, window_seconds: float = WINDOW_SECONDS) -> list[RateAnswer]:
    """Take from the budgets of many callers in one Redis call, exact whoever else takes at the same time.

    Several requests of one caller are served in their order. Raise Unavailable when Redis does not answer:
    a limit that cannot be counted is not a limit.
    """
    if not requests:
        return []
    keys = {key: index for index, key in enumerate(dict.fromkeys(request.key for request in requests), start=1)}
    arguments = [round(window_seconds * 1_000_000)]
    for request in requests:
        arguments += [keys[request.key], request.limit, request.cost]
    try:
        client: Redis = get_redis_connection("default")
        taken = client.register_script(TAKE_SCRIPT)(keys=[f"{{rate}}:{key}" for key in keys], args=arguments)
    except RedisError as error:
        raise Unavailable(reason("RATE_UNKNOWN"), "The portal cannot count requests now. Try again shortly.") from error
    return [
        RateAnswer(request.key, bool(allowed), request.limit, max(remaining, 0), -(-wait // 1_000_000), request.cost)
        for request, allowed, remaining, wait in zip(requests, *(taken[i::3] for i in range(3)), strict=True)
    ]


def orders_request(grant: KeyGrant, cost: int = 1) -> RateRequest:
    """Ask for the right to place so many orders; a request that turns out to hold none counts as one."""
    limit = grant.orders_per_minute or settings.API_ORDERS_PER_MINUTE
    return RateRequest(orders_key(grant.key_id), limit, max(cost, 1))


def reads_request(grant: KeyGrant) -> RateRequest:
    """Ask for the right to read once."""
    return RateRequest(requests_key(grant.key_id), settings.API_REQUESTS_PER_MINUTE)


def calls_admit(calls: Sequence[Call], *, at: datetime, take_rates: TakeRates = rates_take) -> list[Admission]:
    """Judge a batch: key, then scope and address, then rate; one statement and one Redis call, however large it is.

    Raise Unavailable when rates cannot be counted.
    """
    admissions: list[Admission] = []
    charged: list[tuple[int, RateRequest]] = []
    for call, reading in zip(calls, keys_read([call.credentials for call in calls], at), strict=True):
        why = grant_refusal(reading.grant, scope=call.scope, address=call.address) if reading else None
        if reading and why is None and call.charge:
            charged.append((len(admissions), call.charge(reading.grant)))
        admissions.append(Admission(reading, why))
    rates = take_rates([asked for _, asked in charged]) if charged else []
    for (index, _), rate in zip(charged, rates, strict=True):
        admissions[index] = replace(admissions[index], rate=rate)
    return admissions
