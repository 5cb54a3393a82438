"""Say how much of a key's budget is left."""

from __future__ import annotations

from django.http import HttpResponse

from accounts.api.errors import Problem, ProblemError, error_of
from accounts.domain.rates import WINDOW_SECONDS, RateAnswer
from trading_portal.kernel import clock
from trading_portal.kernel.errors import reason


def rate_headers(answer: RateAnswer) -> dict[str, str]:
    """Return RateLimit-Policy and RateLimit (IETF draft), and X-RateLimit-* as Alpaca sends them."""
    resets_at = int(clock.now().timestamp()) + answer.wait_seconds
    return {
        "RateLimit-Policy": f'"{answer.policy}";q={answer.limit};w={WINDOW_SECONDS}',
        "RateLimit": f'"{answer.policy}";r={answer.remaining};t={answer.wait_seconds}',
        "X-RateLimit-Limit": str(answer.limit),
        "X-RateLimit-Remaining": str(answer.remaining),
        "X-RateLimit-Reset": str(resets_at),
    }


def with_rate(response: HttpResponse, answer: RateAnswer | None) -> HttpResponse:
    """Say on an answer what its key has left, where that was counted."""
    if answer is not None:
        for name, value in rate_headers(answer).items():
            response.headers[name] = value
    return response


def rate_problem(answer: RateAnswer) -> Problem:
    """Return the refusal of a request that is over its budget, or that no budget of this key could ever hold."""
    if answer.cost > answer.limit:
        why = reason("RATE_LIMIT_TOO_SMALL", asked=answer.cost, limit=answer.limit, seconds=WINDOW_SECONDS)
        sentence = f"This asks for {answer.cost} at once; this key may {answer.limit} in {WINDOW_SECONDS} s."
        return Problem(422, sentence, errors=(error_of(why, sentence),))
    why = reason("RATE_LIMIT_EXCEEDED", limit=answer.limit, seconds=WINDOW_SECONDS, wait_seconds=answer.wait_seconds)
    sentence = f"Rate limit exceeded: {answer.limit} in {WINDOW_SECONDS} s. Wait {answer.wait_seconds} s."
    return Problem(429, sentence, errors=(error_of(why, sentence),), retry_after=max(answer.wait_seconds, 1))


class OverRateError(ProblemError):
    """Refuse a request that is over its budget; `rate` says until when."""

    def __init__(self, rate: RateAnswer) -> None:
        super().__init__(rate_problem(rate))
        self.rate = rate
