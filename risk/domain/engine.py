"""Decide: (intent, snapshot, limits) -> Decision. Reads no clock, no database and no network."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, localcontext

from risk.domain.case import Case, breached_by
from risk.domain.rules import RULES, WELL_FORMED
from risk.domain.rules.base import Rule
from risk.domain.types import Check, Decision, Limits, OrderIntent, Snapshot, Verdict
from trading_portal.kernel.errors import Reason

# Stored numbers have 28 digits: products of three are exact, so that equal passes and a hair above does not.
EXACT = Context(prec=84)


def decide(intent: OrderIntent, snapshot: Snapshot, limits: Limits, *, rules: Sequence[Rule] = RULES) -> Decision:
    """Judge an order by every rule and collect every reason; a malformed order is judged by nothing else."""
    with localcontext(EXACT):
        first = WELL_FORMED.judge(intent)
        if first.verdict is Verdict.BREACHED:
            return _decision(intent, snapshot, (first,), None)
        case = Case(intent, snapshot, limits)
        checks = [first]
        for rule in rules:
            check = rule.check(case)
            if check is not None:
                checks.append(check)
        return _decision(intent, snapshot, tuple(checks), case)


def refuse(intent: OrderIntent, snapshot: Snapshot, rule: str, why: Reason) -> Decision:
    """Return the refusal of an order that no rule can judge."""
    return _decision(intent, snapshot, (breached_by(rule, why),), None)


def _decision(intent: OrderIntent, snapshot: Snapshot, checks: tuple[Check, ...], case: Case | None) -> Decision:
    refusals = [check for check in checks if check.verdict is Verdict.BREACHED]
    return Decision(
        order_id=intent.order_id,
        account_id=intent.account_id,
        approved=not refusals,
        checks=checks,
        reasons=_reasons(refusals) if refusals else (),
        worst_price=case.unit_cost if case else None,
        reference_price=case.reference if case else None,
        is_reducing=case.is_reducing if case else False,
        in_session=snapshot.is_open is True,
        intent=intent,
        snapshot=snapshot,
        unit_fee=case.unit_fee if case else None,
    )


def _reasons(refusals: Sequence[Check]) -> tuple[Reason, ...]:
    """Return why, each reason once: several rules may lack the same price."""
    told = {(check.code, tuple(check.facts.items())): Reason(check.code, check.facts) for check in refusals}
    return tuple(told.values())
