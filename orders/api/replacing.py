"""Ask for other terms of an order, once for every address that can."""

from __future__ import annotations

from uuid import UUID

from accounts.api.errors import Problem
from audit.domain.types import Actor
from orders.api.answers import replace_problem
from orders.api.bodies import replace_read
from orders.domain.commands import ReplaceOrder
from orders.domain.facts import ReplaceOutcome
from orders.services import order_replace
from trading_portal.kernel import clock


def replace_now(
    body: bytes, *, order_id: UUID, account_id: UUID, by: Actor, correlation_id: UUID
) -> ReplaceOutcome | Problem:
    """Return what became of the replace that a body asks for, or the problem it made."""
    fields = replace_read(body)
    if isinstance(fields, Problem):
        return fields
    at = clock.now()
    outcome = order_replace(
        command=ReplaceOrder(
            order_id=order_id,
            account_id=account_id,
            fields=fields,
            by=by,
            correlation_id=correlation_id,
            requested_at=at,
        ),
        at=at,
    )
    return replace_problem(outcome) or outcome
