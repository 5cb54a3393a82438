"""Let a second person decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from audit.domain.types import Actor
from risk.domain.events import ChangeDecided
from risk.domain.outcomes import ChangeOutcome
from risk.models import ChangeRequest
from risk.services.desk import Desk, conflict, desk, missing, person_require, reason_require, refusal
from risk.services.limits import limit_approve
from risk.services.states import state_approve
from risk.services.switches import switch_approve
from trading_portal.kernel.errors import Forbidden, Reason
from trading_portal.kernel.errors import reason as reason_of

_Kind = ChangeRequest.Kind
_State = ChangeRequest.State
_APPROVE: Mapping[str, tuple[str, Callable[[Desk, ChangeRequest], bool]]] = {
    _Kind.LIMIT: ("limit", limit_approve),
    _Kind.TRADING_STATE: ("trading_state", state_approve),
    _Kind.KILL_SWITCH_RELEASE: ("kill_switch", switch_approve),
}


def change_approve(*, change_id: UUID, by: Actor, at: datetime) -> ChangeOutcome:
    """Apply a change that another person proposed. When its target moved since, it is stale and nothing is applied.

    Raise Forbidden for the proposer, Conflict for a change that is decided already.
    """
    person_id = person_require(by)
    with desk(account_id=_account_of(change_id), by=by, at=at) as at_desk:
        change = _pending_lock(change_id)
        if change.proposed_by_id == person_id:
            raise refusal(Forbidden, "APPROVER_IS_PROPOSER")
        if change.reverts_at is not None and change.reverts_at <= at:
            return _stale(at_desk, change, person_id, reason_of("CHANGE_EXPIRED", until=change.reverts_at))
        if not _APPROVE[change.kind][1](at_desk, change):
            return _stale(at_desk, change, person_id, reason_of("CHANGE_STALE"))
        _decide(at_desk, change, person_id, _State.APPROVED)
        _tell(at_desk, change, "")
        return ChangeOutcome("applied", change.target_id, change.id)


def change_reject(*, change_id: UUID, reason: str, by: Actor, at: datetime) -> ChangeOutcome:
    """Turn a change down; its proposer may do so too, to take it back."""
    why = reason_require(reason)
    person_id = person_require(by)
    with desk(account_id=_account_of(change_id), by=by, at=at) as at_desk:
        change = _pending_lock(change_id)
        _decide(at_desk, change, person_id, _State.REJECTED, why)
        _tell(at_desk, change, why)
        return ChangeOutcome("rejected", change.target_id, change.id)


def _account_of(change_id: UUID) -> UUID | None:
    return ChangeRequest.objects.filter(id=change_id).values_list("account_id", flat=True).first()


def _pending_lock(change_id: UUID) -> ChangeRequest:
    change = ChangeRequest.objects.select_for_update().filter(id=change_id).first()
    if change is None:
        raise missing("CHANGE_NOT_FOUND")
    if change.state != _State.PENDING:
        raise conflict("CHANGE_NOT_PENDING", state=change.state)
    return change


def _stale(at_desk: Desk, change: ChangeRequest, person_id: UUID, why: Reason) -> ChangeOutcome:
    """Keep that it was stale: an error would roll that back with the rest."""
    _decide(at_desk, change, person_id, _State.STALE, str(why))
    _tell(at_desk, change, str(why))
    return ChangeOutcome("stale", change.target_id, change.id, why)


def _decide(at_desk: Desk, change: ChangeRequest, person_id: UUID, state: str, why: str = "") -> None:
    change.state, change.decided_by_id, change.decided_at = state, person_id, at_desk.at
    change.decision_reason = why
    change.save()


def _tell(at_desk: Desk, change: ChangeRequest, why: str) -> None:
    payload = ChangeDecided(
        change_id=str(change.id),
        kind=change.kind,
        target_id=str(change.target_id),
        state=change.state,
        reason=why,
    )
    at_desk.append(f"{_APPROVE[change.kind][0]}:{change.target_id}", payload)
