"""Store what was decided, in the transaction that stores the orders: one statement, however many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from audit.sql import execute
from risk.domain.fingerprints import fingerprint
from risk.domain.records import checks_json, facts_json, inputs_json, reasons_json
from risk.domain.rules.base import WARNS_FROM
from risk.domain.types import Check, Decision, Verdict
from risk.models import Limit, OrderFingerprint, Rule
from risk.selectors.checking import TENTHS_COUNTED, tenth_of
from trading_portal.kernel.arrays import booleans_of, bytes_of, integers_of, jsons_of, texts_of, uuids_of
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import ZERO

_RECORD = """
WITH decided AS (
    INSERT INTO risk_decision (order_id, account_id, instrument_id, is_approved, inputs, checks, reasons, decided_at)
    SELECT order_id, account_id, instrument_id, is_approved, inputs, checks, reasons, %(at)s
    FROM unnest(%(orders)s::uuid[], %(accounts)s::uuid[], %(instruments)s::uuid[], %(approved)s::boolean[],
                %(inputs)s::jsonb[], %(checks)s::jsonb[], %(reasons)s::jsonb[])
         AS new(order_id, account_id, instrument_id, is_approved, inputs, checks, reasons)
), placed AS (
    INSERT INTO risk_orderfingerprint (account_id, fingerprint, placed_at)
    SELECT account_id, fingerprint, %(at)s
    FROM unnest(%(owners)s::uuid[], %(prints)s::bytea[]) AS new(account_id, fingerprint)
), counted AS (
    INSERT INTO risk_ordercount AS known (account_id, tenth, counts)
    SELECT account_id, %(tenth)s, array_append('{}'::integer[], number)
    FROM unnest(%(counted)s::uuid[], %(numbers)s::integer[]) AS new(account_id, number)
    ON CONFLICT (account_id) DO UPDATE SET
        tenth = greatest(known.tenth, excluded.tenth),
        counts = CASE
            WHEN excluded.tenth <= known.tenth THEN (known.counts[1] + excluded.counts[1]) || known.counts[2:]
            ELSE (excluded.counts
                  || array_fill(0, ARRAY[least(excluded.tenth - known.tenth - 1, %(window)s)::integer])
                  || known.counts)[1:%(window)s]
        END
)
INSERT INTO risk_breach (id, account_id, instrument_id, order_id, severity, code, facts, breached_at, note)
SELECT id, account_id, instrument_id, order_id, severity, code, facts, %(at)s, ''
FROM unnest(%(breaches)s::uuid[], %(breach_accounts)s::uuid[], %(breach_instruments)s::uuid[],
            %(breach_orders)s::uuid[], %(severities)s::text[], %(codes)s::text[], %(facts)s::jsonb[])
     AS new(id, account_id, instrument_id, order_id, severity, code, facts)
ON CONFLICT (order_id, code) DO NOTHING
"""


def decisions_record(*, decisions: Sequence[Decision], at: datetime) -> None:
    """Store decisions, what approved orders look like and count, and a breach for every refusal and warning.

    A refused order neither counts towards the rate nor makes the next one a duplicate.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Decisions are stored with the orders they are about.")
    if not decisions:
        return
    approved = [decision for decision in decisions if decision.approved]
    placed = [decision for decision in approved if decision.intent.instead_of is None]
    counts = Counter(decision.account_id for decision in approved)
    breaches = [row for decision in decisions for row in _breaches(decision)]
    execute(
        _RECORD,
        {
            "at": at,
            "orders": uuids_of(decision.order_id for decision in decisions),
            "accounts": uuids_of(decision.account_id for decision in decisions),
            "instruments": uuids_of(decision.intent.instrument.id for decision in decisions),
            "approved": booleans_of(decision.approved for decision in decisions),
            "inputs": jsons_of(inputs_json(decision) for decision in decisions),
            "checks": jsons_of(checks_json(decision) for decision in decisions),
            "reasons": jsons_of(reasons_json(decision.reasons) for decision in decisions),
            "owners": uuids_of(decision.account_id for decision in placed),
            "prints": bytes_of(fingerprint(decision.intent) for decision in placed),
            "tenth": tenth_of(at),
            "window": TENTHS_COUNTED,
            "counted": uuids_of(counts),
            "numbers": integers_of(counts.values()),
            "breaches": uuids_of(uuid7() for _ in breaches),
            "breach_accounts": uuids_of(decision.account_id for decision, *_ in breaches),
            "breach_instruments": uuids_of(decision.intent.instrument.id for decision, *_ in breaches),
            "breach_orders": uuids_of(decision.order_id for decision, *_ in breaches),
            "severities": texts_of(severity for _, severity, _, _ in breaches),
            "codes": texts_of(code for _, _, code, _ in breaches),
            "facts": jsons_of(facts for *_, facts in breaches),
        },
    )


def _breaches(decision: Decision) -> list[tuple[Decision, str, str, dict[str, str]]]:
    """Return what a risk officer is to see: why an order was refused, and which limits came near."""
    if not decision.approved:
        reasons = {why.code: why for why in reversed(decision.reasons)}
        return [(decision, "refused", code, facts_json(why.facts)) for code, why in reasons.items()]
    warned = Verdict.WARNED
    return [
        (decision, "warning", f"{check.rule.upper()}_NEAR_LIMIT", _near(check))
        for check in decision.checks
        if check.verdict is warned and _is_crossing(check)
    ]


def _is_crossing(check: Check) -> bool:
    """Tell whether this order brought the exposure over the warning level, so that one warning is enough."""
    return check.limit is not None and check.before < check.limit * WARNS_FROM


def _near(check: Check) -> dict[str, str]:
    values: dict[str, Any] = {"value": check.value, "limit": check.limit, "scope": check.scope}
    return facts_json(values)


def fingerprints_sweep(*, at: datetime) -> int:
    """Forget orders older than the longest duplicate window in force; return how many."""
    longest = max(Limit.objects.filter(rule=Rule.DUPLICATE_WINDOW).values_list("value", flat=True), default=ZERO)
    before = at - timedelta(seconds=int(longest) + 60)
    return OrderFingerprint.objects.filter(placed_at__lt=before).delete()[0]
