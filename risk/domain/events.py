"""What the log says about limits, states, switches and those who change them."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from audit.domain.types import EventPayload


class LimitSet(EventPayload, frozen=True, kw_only=True):
    """A limit holds from now on: made, tightened, loosened by two people, or put back.

    `cause` is one of default, tightened, approved, reverted; `change_id` names the request that was approved or ended.
    """

    TYPE: ClassVar[str] = "limit.set"
    limit_id: str
    rule: str
    scope_account_id: str | None
    scope_instrument_id: str | None
    value: Decimal
    is_enforced: bool
    value_before: Decimal | None
    is_enforced_before: bool | None
    limit_version: int
    cause: str
    reason: str
    change_id: str | None = None
    temporary_until: str | None = None


class LimitRemoved(EventPayload, frozen=True, kw_only=True):
    """A temporary limit ended and left its place to the wider one."""

    TYPE: ClassVar[str] = "limit.removed"
    limit_id: str
    rule: str
    scope_account_id: str | None
    scope_instrument_id: str | None
    value_before: Decimal
    change_id: str | None


class ChangeProposed(EventPayload, frozen=True, kw_only=True):
    """Somebody asked for a limit to be loosened, a switch released or a state relaxed."""

    TYPE: ClassVar[str] = "change.proposed"
    change_id: str
    kind: str
    target_id: str
    target_version: int
    before: dict[str, str]
    after: dict[str, str]
    reason: str
    reverts_at: str | None = None


class ChangeDecided(EventPayload, frozen=True, kw_only=True):
    """A second person approved or rejected a change, or found it stale."""

    TYPE: ClassVar[str] = "change.decided"
    change_id: str
    kind: str
    target_id: str
    state: str
    reason: str


class TradingStateSet(EventPayload, frozen=True, kw_only=True):
    """A scope may do less, or more, from now on."""

    TYPE: ClassVar[str] = "trading_state.set"
    trading_state_id: str
    scope_account_id: str | None
    scope_instrument_id: str | None
    state: str
    state_before: str
    state_version: int
    reason: str
    change_id: str | None = None


class KillSwitchLatched(EventPayload, frozen=True, kw_only=True):
    """A scope was stopped; what is open in it is to be cancelled."""

    TYPE: ClassVar[str] = "kill_switch.latched"
    kill_switch_id: str
    scope_account_id: str | None
    scope_instrument_id: str | None
    venue: str
    reason: str
    orders_to_cancel: int


class KillSwitchReleased(EventPayload, frozen=True, kw_only=True):
    """A switch was released by two people; what it cancelled stays cancelled."""

    TYPE: ClassVar[str] = "kill_switch.released"
    kill_switch_id: str
    scope_account_id: str | None
    scope_instrument_id: str | None
    venue: str
    reason: str
    change_id: str


class BreachAcknowledged(EventPayload, frozen=True, kw_only=True):
    """A risk officer has seen a breach."""

    TYPE: ClassVar[str] = "breach.acknowledged"
    breach_id: str
    code: str
    note: str
