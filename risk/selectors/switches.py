"""Read what is stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from risk.models import KillSwitch
from risk.selectors.sql import fetch
from trading_portal.kernel.errors import Reason, reason

# Halts count as well as switches: whoever asks is about to send, and the state may have changed since the check.
_BLOCKS = """
SELECT account_id, instrument_id, 'KILL_SWITCH_ON' FROM risk_killswitch
WHERE released_at IS NULL AND venue IN ('', %(venue)s)
UNION ALL
SELECT account_id, instrument_id, 'TRADING_HALTED' FROM risk_tradingstate WHERE state = 'HALTED'
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
    blocked: dict[tuple[UUID, UUID], Reason] = {}
    rows = fetch(_BLOCKS, {"venue": venue})
    if not rows:
        return blocked
    for pair in set(zip(account_ids, instrument_ids, strict=True)):
        for account_id, instrument_id, code in rows:
            if account_id in (None, pair[0]) and instrument_id in (None, pair[1]):
                scope = _scope(account_id, instrument_id)
                blocked.setdefault(pair, reason(code, scope=scope))
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
