"""Read what is stopped."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from audit.sql import fetch
from risk.domain.egress import Leaving
from risk.models import KillSwitch
from trading_portal.kernel.errors import Reason, reason

# Halts count as well as switches: whoever asks is about to send, and the state may have changed since the check.
_BLOCKS = """
SELECT account_id, instrument_id, 'KILL_SWITCH_ON' FROM risk_killswitch
WHERE released_at IS NULL AND venue IN ('', %(venue)s)
UNION ALL
SELECT account_id, instrument_id, 'TRADING_HALTED' FROM risk_tradingstate WHERE state = 'HALTED'
"""


# What stops and what was decided, in one statement. An order's own decision goes before its parent's; an exit is as
# large as its parent's fills, and a child of a parent has its own price, so that neither is compared.
_LEAVING = f"""
SELECT account_id, instrument_id, code, NULL::uuid, NULL::text
FROM ({_BLOCKS}) AS stops(account_id, instrument_id, code)
UNION ALL
SELECT NULL, NULL, 'EGRESS_REFUSED', leaving.order_id, CASE
    WHEN decision.order_id IS NULL THEN 'nobody has decided on it'
    WHEN NOT decision.is_approved THEN 'it was not approved'
    WHEN leaving.quantity > (decision.inputs->>'quantity')::numeric THEN 'its quantity is above the one approved'
    WHEN decision.order_id = leaving.order_id
     AND leaving.limit_price IS DISTINCT FROM (decision.inputs->>'limit_price')::numeric
    THEN 'its price is not the one approved' END
FROM unnest(%(orders)s::uuid[], %(parents)s::uuid[], %(quantities)s::numeric[], %(prices)s::numeric[])
     AS leaving(order_id, parent_id, quantity, limit_price)
LEFT JOIN LATERAL (
    SELECT * FROM risk_decision WHERE risk_decision.order_id IN (leaving.order_id, leaving.parent_id)
    ORDER BY risk_decision.order_id = leaving.order_id DESC LIMIT 1
) AS decision ON true
WHERE (decision.is_approved AND (leaving.quantity IS NULL
                                 OR leaving.quantity <= (decision.inputs->>'quantity')::numeric)
       AND (decision.order_id <> leaving.order_id
            OR leaving.limit_price IS NOT DISTINCT FROM (decision.inputs->>'limit_price')::numeric)) IS NOT TRUE
"""


@dataclass(frozen=True, slots=True)
class SwitchFacts:
    """A kill switch and its scope; None and no venue are every one."""

    id: UUID
    account_id: UUID | None
    instrument_id: UUID | None
    venue: str
    reason: str
    latched_at: datetime
    is_latched: bool


def send_allowed(
    account_ids: Sequence[UUID], instrument_ids: Sequence[UUID], venue: str
) -> dict[tuple[UUID, UUID], Reason]:
    """Return which (account, instrument) pairs may not be sent to a venue now, each with why; empty is all may.

    The two lists run in parallel, an order each. Read when the intent to send is stored. Cancels need not ask.
    """
    return _blocked(set(zip(account_ids, instrument_ids, strict=True)), fetch(_BLOCKS, {"venue": venue}))


def sends_refused(leaving: Sequence[Leaving], venue: str) -> dict[UUID, Reason]:
    """Return the orders that may not be sent to a venue now, each with why; empty is all may.

    Beside what stops them, an order must be the one that was approved: no larger, at the same price.
    """
    parameters = {
        "venue": venue,
        "orders": [each.order_id for each in leaving],
        "parents": [each.parent_id for each in leaving],
        "quantities": [each.quantity for each in leaving],
        "prices": [each.limit_price for each in leaving],
    }
    rows = fetch(_LEAVING, parameters)
    refused = {row[3]: reason(row[2], why=row[4]) for row in rows if row[3] is not None}
    stops = [row[:3] for row in rows if row[3] is None]
    blocked = _blocked({(each.account_id, each.instrument_id) for each in leaving}, stops)
    for each in leaving:
        if (why := blocked.get((each.account_id, each.instrument_id))) is not None:
            refused[each.order_id] = why
    return refused


def _blocked(pairs: Collection[tuple[UUID, UUID]], rows: Sequence[tuple[Any, ...]]) -> dict[tuple[UUID, UUID], Reason]:
    """Return which pairs rows of stops cover, each with the first that does."""
    blocked: dict[tuple[UUID, UUID], Reason] = {}
    for pair in pairs if rows else ():
        for account_id, instrument_id, code in rows:
            if account_id in (None, pair[0]) and instrument_id in (None, pair[1]):
                blocked.setdefault(pair, reason(code, scope=_scope(account_id, instrument_id)))
    return blocked


def _scope(account_id: UUID | None, instrument_id: UUID | None) -> str:
    names = ("this account" if account_id else "", "this instrument" if instrument_id else "")
    return " and ".join(name for name in names if name) or "the firm or the venue"


def kill_switch_by_id(kill_switch_id: UUID) -> SwitchFacts | None:
    """Return a switch, latched or released, or None."""
    switch = KillSwitch.objects.filter(id=kill_switch_id).first()
    return _facts(switch) if switch else None


def kill_switches_latched() -> list[SwitchFacts]:
    """Return every switch that is latched, the newest first: whoever sweeps cancels what is open in their scopes."""
    return [_facts(switch) for switch in KillSwitch.objects.filter(released_at=None).order_by("-latched_at")]


def _facts(switch: KillSwitch) -> SwitchFacts:
    return SwitchFacts(
        switch.id,
        switch.account_id,
        switch.instrument_id,
        switch.venue,
        switch.reason,
        switch.latched_at,
        switch.released_at is None,
    )
