"""What came of an officer's request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from trading_portal.kernel.errors import Reason


@dataclass(frozen=True, slots=True)
class ChangeOutcome:
    """`applied` holds already; `proposed` waits for a second person; `stale` and `rejected` never will.

    `target_id` names the limit, state or switch, `change_id` the request where there is one.
    """

    state: Literal["applied", "proposed", "rejected", "stale"]
    target_id: UUID
    change_id: UUID | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class LatchOutcome:
    """A latched switch, and how many open orders its scope had; `is_new` is False when it was latched before."""

    kill_switch_id: UUID
    orders_to_cancel: int
    is_new: bool
