"""Set what a scope may do: less at once, more only by two people."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from audit.domain.types import Actor
from risk.domain.events import TradingStateSet
from risk.domain.outcomes import ChangeOutcome
from risk.domain.types import MODE_RANK, Mode
from risk.models import ChangeRequest, TradingState
from risk.services.desk import Desk, conflict, desk, instrument_require, reason_require, text_of
from risk.services.proposals import change_propose
from trading_portal.kernel.ids import uuid7


def trading_state_set(
    *, account_id: UUID | None, instrument_id: UUID | None, state: Mode, reason: str, by: Actor, at: datetime
) -> ChangeOutcome:
    """Restrict a scope at once (ACTIVE to REDUCING to HALTED), or propose to let it do more.

    Raise Conflict when it is in that state already or a relaxation waits.
    """
    why = reason_require(reason)
    instrument_require(instrument_id)
    with desk(account_id=account_id, by=by, at=at) as at_desk:
        row = _row_lock(account_id, instrument_id, at)
        before, after = Mode(row.state), Mode(state)
        if before is after:
            raise conflict("STATE_UNCHANGED", state=after.value)
        if MODE_RANK[after] > MODE_RANK[before]:
            _state_set(at_desk, row, after, why=why)
            return ChangeOutcome("applied", row.id)
        change_id = change_propose(
            at_desk,
            kind=ChangeRequest.Kind.TRADING_STATE,
            target_id=row.id,
            target_version=row.version,
            scope=(account_id, instrument_id),
            before={"state": before.value},
            after={"state": after.value},
            why=why,
            stream=f"trading_state:{row.id}",
        )
        return ChangeOutcome("proposed", row.id, change_id)


def state_approve(at_desk: Desk, change: ChangeRequest) -> bool:
    """Apply an approved relaxation; return False when the state moved since it was proposed."""
    row = TradingState.objects.select_for_update().filter(id=change.target_id).first()
    if row is None or row.version != change.target_version:
        return False
    _state_set(at_desk, row, Mode(change.after["state"]), why=change.reason, change_id=change.id)
    return True


def _row_lock(account_id: UUID | None, instrument_id: UUID | None, at: datetime) -> TradingState:
    """Return the scope's row under lock, made when it is not there: two officers may come at once."""
    fresh = TradingState(id=uuid7(), account_id=account_id, instrument_id=instrument_id, changed_at=at)
    TradingState.objects.bulk_create([fresh], ignore_conflicts=True)
    return TradingState.objects.select_for_update().get(account=account_id, instrument=instrument_id)


def _state_set(at_desk: Desk, row: TradingState, after: Mode, *, why: str, change_id: UUID | None = None) -> None:
    before = row.state
    row.state, row.reason, row.changed_at = after.value, why, at_desk.at
    row.version += 1
    row.save()
    payload = TradingStateSet(
        trading_state_id=str(row.id),
        scope_account_id=text_of(row.account_id),
        scope_instrument_id=text_of(row.instrument_id),
        state=after.value,
        state_before=before,
        state_version=row.version,
        reason=why,
        change_id=text_of(change_id),
    )
    at_desk.append(f"trading_state:{row.id}", payload)
