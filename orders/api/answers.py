"""Turn what the order services answer into what HTTP answers, once for every address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from accounts.api.errors import CLIENT_ORDER_ID_TAKEN, Problem
from orders.broadcasts import order_json
from orders.domain.facts import CancelOutcome, Placement
from orders.domain.reasons import reason_dict, sentence
from trading_portal.kernel.errors import Reason

NO_ORDER = Problem(404, "There is no such order.")
_TOO_LARGE = "BODY_TOO_LARGE"


def refusal(status: int, reasons: Sequence[Reason], *, code: int = 0, **beside: object) -> Problem:
    """Return the problem that reasons make; its message is every reason's sentence."""
    message = " ".join(sentence(why.code, why.facts) for why in reasons)
    return Problem(status, message, code=code, errors=tuple(reason_dict(why) for why in reasons), extra=beside)


def unreadable(reasons: Sequence[Reason]) -> Problem:
    """Return the problem of a body that is not what it should be."""
    return refusal(413 if reasons[0].code == _TOO_LARGE else 422, reasons)


def placement_problem(placement: Placement) -> Problem | None:
    """Return why a placement is no accepted order, None when it is one; a refused order is shown beside."""
    if placement.status == "accepted":
        return None
    if placement.status == "refused":
        beside: Mapping[str, object] = {"order": order_json(placement.order)} if placement.order else {}
        return refusal(403, placement.refusal, **beside)
    return refusal(422, placement.refusal, code=CLIENT_ORDER_ID_TAKEN if placement.status == "conflict" else 0)


def cancel_problem(outcome: CancelOutcome) -> Problem | None:
    """Return why a cancel was refused, None when it was taken."""
    if outcome.status == "not_found":
        return NO_ORDER
    if outcome.status == "refused" and outcome.refusal is not None:
        return refusal(422, [outcome.refusal])
    return None
