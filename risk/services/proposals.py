"""Ask for what takes two people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from risk.domain.events import ChangeProposed
from risk.models import ChangeRequest
from risk.services.desk import Desk, conflict, invalid, person_require
from trading_portal.kernel.ids import uuid7


def change_propose(
    at_desk: Desk,
    *,
    kind: ChangeRequest.Kind,
    target_id: UUID,
    target_version: int,
    scope: tuple[UUID | None, UUID | None],
    before: Mapping[str, str],
    after: Mapping[str, str],
    why: str,
    stream: str,
    reverts_at: datetime | None = None,
) -> UUID:
    """Store a change that waits for a second person, one at a time for a target; return its id."""
    proposer_id = person_require(at_desk.by)
    if reverts_at is not None and reverts_at <= at_desk.at:
        raise invalid("CHANGE_EXPIRY_INVALID")
    if ChangeRequest.objects.filter(target_id=target_id, state=ChangeRequest.State.PENDING).exists():
        raise conflict("CHANGE_ALREADY_PENDING")
    change = ChangeRequest.objects.create(
        id=uuid7(),
        kind=kind,
        target_id=target_id,
        target_version=target_version,
        account_id=scope[0],
        instrument_id=scope[1],
        before=dict(before),
        after=dict(after),
        reason=why,
        proposed_by_id=proposer_id,
        proposed_at=at_desk.at,
        reverts_at=reverts_at,
    )
    payload = ChangeProposed(
        change_id=str(change.id),
        kind=kind.value,
        target_id=str(target_id),
        target_version=target_version,
        before=dict(before),
        after=dict(after),
        reason=why,
        reverts_at=reverts_at.isoformat() if reverts_at else None,
    )
    at_desk.append(stream, payload)
    return change.id
