"""Read what was decided, and why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from risk.domain.reasons import sentence
from risk.domain.records import CheckShown, check_shown
from risk.models import Decision


@dataclass(frozen=True, slots=True)
class DecisionShown:
    """A stored decision as people and programs read it."""

    order_id: UUID
    account_id: UUID
    instrument_id: UUID
    is_approved: bool
    inputs: dict[str, Any]
    checks: list[CheckShown]
    reasons: list[dict[str, Any]]
    decided_at: datetime


def decisions_of(order_ids: Collection[UUID]) -> dict[UUID, DecisionShown]:
    """Return the decisions on orders, every check explained; orders without one are absent."""
    return {row.order_id: decision_shown(row) for row in Decision.objects.filter(order_id__in=order_ids)}


def decision_of(order_id: UUID) -> DecisionShown | None:
    """Return the decision on one order, or None."""
    return decisions_of([order_id]).get(order_id)


def decision_shown(row: Decision) -> DecisionShown:
    """Return a stored row with its sentences."""
    return DecisionShown(
        order_id=row.order_id,
        account_id=row.account_id,
        instrument_id=row.instrument_id,
        is_approved=row.is_approved,
        inputs=row.inputs,
        checks=[check_shown(check) for check in row.checks],
        reasons=[{**why, "sentence": sentence(why["code"], why["facts"])} for why in row.reasons],
        decided_at=row.decided_at,
    )
