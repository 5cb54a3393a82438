"""Read what a check needs of risk's own rows: one statement, however large the batch."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from audit.sql import fetch_later
from risk.domain.book import Scope, StateRow, SwitchRow
from risk.domain.types import LimitFacts, Mode
from trading_portal.kernel.arrays import bytes_of, uuids_of

TENTHS_COUNTED = 11
"""A second is ten tenths; the one it began in is counted whole, so that the rate is never too low."""

# A temporary limit that is over holds no longer, whether it was put back yet or not.
_ROWS = """
SELECT 'limit', rule, account_id, instrument_id,
       trim_scale(CASE WHEN temporary_until <= %(at)s THEN standing_value ELSE value END),
       CASE WHEN temporary_until <= %(at)s THEN standing_is_enforced ELSE is_enforced END,
       version::bigint, NULL::bytea, NULL::timestamptz
FROM risk_limit
WHERE (account_id IS NULL OR account_id = ANY(%(accounts)s::uuid[]))
  AND (instrument_id IS NULL OR instrument_id = ANY(%(instruments)s::uuid[]))
  AND (temporary_until IS NULL OR temporary_until > %(at)s OR standing_value IS NOT NULL)
UNION ALL
SELECT 'state', state, account_id, instrument_id, NULL, NULL, NULL, NULL, NULL
FROM risk_tradingstate
WHERE state <> 'ACTIVE'
  AND (account_id IS NULL OR account_id = ANY(%(accounts)s::uuid[]))
  AND (instrument_id IS NULL OR instrument_id = ANY(%(instruments)s::uuid[]))
UNION ALL
SELECT 'switch', venue, account_id, instrument_id, NULL, NULL, NULL, NULL, NULL
FROM risk_killswitch
WHERE released_at IS NULL
  AND (account_id IS NULL OR account_id = ANY(%(accounts)s::uuid[]))
  AND (instrument_id IS NULL OR instrument_id = ANY(%(instruments)s::uuid[]))
UNION ALL
SELECT 'count', NULL, account_id, NULL, NULL, NULL,
       (SELECT sum(n) FROM unnest(counts[1:greatest(%(window)s - (%(tenth)s - tenth), 0)]) AS n)::bigint, NULL, NULL
FROM risk_ordercount WHERE account_id = ANY(%(accounts)s::uuid[])
UNION ALL
SELECT 'placed', NULL, wanted.account_id, NULL, NULL, NULL, NULL, wanted.fingerprint, newest.placed_at
FROM (SELECT DISTINCT * FROM unnest(%(owners)s::uuid[], %(prints)s::bytea[]) AS pair(account_id, fingerprint)) AS wanted
CROSS JOIN LATERAL (
    SELECT placed_at FROM risk_orderfingerprint AS known
    WHERE known.account_id = wanted.account_id AND known.fingerprint = wanted.fingerprint
    ORDER BY placed_at DESC LIMIT 1
) AS newest
"""


@dataclass(slots=True)
class CheckRows:
    """Risk's own rows for a batch: limits by scope, what restricts, and what each account did a moment ago."""

    limits: dict[Scope, dict[str, LimitFacts]] = field(default_factory=dict)
    states: list[StateRow] = field(default_factory=list)
    switches: list[SwitchRow] = field(default_factory=list)
    recent_orders: dict[UUID, int] = field(default_factory=dict)
    placed: dict[UUID, dict[bytes, datetime]] = field(default_factory=dict)


def tenth_of(at: datetime) -> int:
    """Return the number of an instant's tenth of a second."""
    return int(at.timestamp() * 10)


def check_rows_later(
    *,
    account_ids: Collection[UUID],
    instrument_ids: Collection[UUID],
    fingerprints: Collection[tuple[UUID, bytes]],
    at: datetime,
) -> Callable[[], CheckRows]:
    """Ask what holds now for these accounts and instruments, inside `pipelined`, after the accounts' lock."""
    parameters = {
        "at": at,
        "accounts": uuids_of(account_ids),
        "instruments": uuids_of(instrument_ids),
        "tenth": tenth_of(at),
        "window": TENTHS_COUNTED,
        "owners": uuids_of(account_id for account_id, _ in fingerprints),
        "prints": bytes_of(print_ for _, print_ in fingerprints),
    }
    found = fetch_later(_ROWS, parameters)

    def checked() -> CheckRows:
        rows = CheckRows()
        for row in found():
            _take(rows, row)
        return rows

    return checked


def _take(rows: CheckRows, row: tuple[Any, ...]) -> None:
    kind, word, account_id, instrument_id, value, flag, count, fingerprint, placed_at = row
    if kind == "limit":
        scope = scope_name(account_id, instrument_id)
        facts = LimitFacts(word, value, count, scope, flag, is_per_instrument=instrument_id is not None)
        rows.limits.setdefault((account_id, instrument_id), {})[word] = facts
    elif kind == "state":
        rows.states.append(StateRow(account_id, instrument_id, Mode(word)))
    elif kind == "switch":
        rows.switches.append(SwitchRow(account_id, instrument_id, word))
    elif kind == "count":
        rows.recent_orders[account_id] = count or 0
    else:
        rows.placed.setdefault(account_id, {})[bytes(fingerprint)] = placed_at


def scope_name(account_id: UUID | None, instrument_id: UUID | None) -> str:
    """Name the kind of scope a limit has."""
    names = ("account" if account_id else "", "instrument" if instrument_id else "")
    return "+".join(name for name in names if name) or "firm"
