"""Turn what the order services answer into what HTTP answers, once for every address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from accounts.api.errors import CLIENT_ORDER_ID_TAKEN, Problem, ProblemError
from orders.api.bodies import BulkBody
from orders.api.problems import refusal
from orders.broadcasts import order_json
from orders.domain.facts import CancelOutcome, Placement, ReplaceOutcome
from orders.services.closing import OpenPosition
from risk.domain.baskets import basket_reason
from trading_portal.kernel.money import plain

NO_ORDER = Problem(404, "There is no such order.")
OK = 200


def placement_problem(placement: Placement) -> Problem | None:
    """Return why a placement is no accepted order, None when it is one; a refused order is shown beside."""
    if placement.status == "accepted":
        return None
    if placement.status == "refused":
        beside: Mapping[str, object] = {"order": order_json(placement.order)} if placement.order else {}
        return refusal(403, placement.refusal, beside=beside)
    return refusal(422, placement.refusal, code=CLIENT_ORDER_ID_TAKEN if placement.status == "conflict" else 0)


def placement_json(placement: Placement) -> dict[str, object]:
    """Return the order of an accepted placement."""
    assert placement.order is not None
    return order_json(placement.order, placement.legs)


def closable(position: OpenPosition, wanted: Decimal) -> Decimal:
    """Return how much of a position is to be closed; raise ProblemError for more than is held, and for nothing."""
    if not 0 < wanted <= abs(position.quantity):
        held = plain(abs(position.quantity))
        raise ProblemError(Problem(422, f"{plain(wanted)} cannot be closed: {held} are held."))
    return wanted


def cancel_problem(outcome: CancelOutcome) -> Problem | None:
    """Return why a cancel was refused, None when it was taken."""
    if outcome.status == "not_found":
        return NO_ORDER
    if outcome.status == "refused" and outcome.refusal is not None:
        return refusal(422, [outcome.refusal])
    return None


def replace_problem(outcome: ReplaceOutcome) -> Problem | None:
    """Return why a replace was not taken, None when it was; what risk refused shows the order as it still is."""
    if outcome.status == "requested":
        return None
    if outcome.status == "not_found":
        return NO_ORDER
    if outcome.status == "refused":
        beside: Mapping[str, object] = {"order": order_json(outcome.order)} if outcome.order else {}
        return refusal(403, outcome.refusal, beside=beside)
    return refusal(422, outcome.refusal, code=CLIENT_ORDER_ID_TAKEN if outcome.status == "conflict" else 0)


def replace_json(outcome: ReplaceOutcome) -> dict[str, object]:
    """Return the order that a replace asks for, under the id it will have."""
    assert outcome.version is not None
    return order_json(outcome.version)


def cancel_json(outcome: CancelOutcome, *, path: str, request_id: str) -> dict[str, object]:
    """Return one answer of a cancel of many."""
    problem = cancel_problem(outcome)
    order = order_json(outcome.order) if outcome.order else None
    body = problem.body(path=f"{path}/{outcome.order_id}", request_id=request_id) if problem else order
    order_id = outcome.order.public_id if outcome.order else outcome.order_id
    return {"id": str(order_id), "status": problem.status if problem else OK, "body": body}


def bulk_json(body: BulkBody, placements: Sequence[Placement], *, path: str, request_id: str) -> dict[str, object]:
    """Return one answer for each order of a bulk, in their order."""
    decided = iter(placements)
    results: list[dict[str, object]] = []
    spoiled = refusal(422, [basket_reason(body.culprits)]) if body.is_spoiled else None
    for index, each in enumerate(body.parsed):
        problem = each if isinstance(each, Problem) else spoiled
        placement = None if problem else next(decided)
        problem = placement_problem(placement) if placement else problem
        order = placement.order if placement else None
        results.append(
            {
                "index": index,
                "status": problem.status if problem else OK,
                "client_order_id": order.client_order_id if order else body.named(index),
                "order": order_json(order, placement.legs if placement else ()) if order else None,
                "error": problem.body(path=path, request_id=request_id) if problem else None,
            }
        )
    accepted = sum(result["status"] == OK for result in results)
    return {"accepted": accepted, "refused": len(results) - accepted, "results": results}
