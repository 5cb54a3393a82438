"""Make problems of the reasons that orders own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from accounts.api.errors import Problem
from orders.domain.reasons import reason_dict, sentence
from trading_portal.kernel.errors import Reason

NOTHING: Mapping[str, object] = {}
_TOO_LARGE = "BODY_TOO_LARGE"


def refusal(
    status: int, reasons: Sequence[Reason], *, code: int = 0, beside: Mapping[str, object] = NOTHING
) -> Problem:
    """Return the problem that reasons make; its message is every reason's sentence."""
    message = " ".join(sentence(why.code, why.facts) for why in reasons)
    return Problem(status, message, code=code, errors=tuple(reason_dict(why) for why in reasons), extra=beside)


def unreadable(reasons: Sequence[Reason]) -> Problem:
    """Return the problem of a body that is not what it should be."""
    return refusal(413 if reasons[0].code == _TOO_LARGE else 422, reasons)
