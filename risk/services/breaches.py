"""Let a risk officer note that a breach was seen."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from audit.domain.types import Actor
from risk.domain.events import BreachAcknowledged
from risk.models import Breach
from risk.services.desk import conflict, desk, missing, person_require, reason_require


def breach_acknowledge(*, breach_id: UUID, note: str, by: Actor, at: datetime) -> None:
    """Note who saw a breach and what they say of it; raise Conflict when somebody did already."""
    said = reason_require(note)
    person_id = person_require(by)
    with desk(account_id=None, by=by, at=at) as at_desk:
        breach = Breach.objects.select_for_update().filter(id=breach_id).first()
        if breach is None:
            raise missing("BREACH_NOT_FOUND")
        if breach.acknowledged_at is not None:
            raise conflict("BREACH_ACKNOWLEDGED")
        breach.acknowledged_by_id, breach.acknowledged_at, breach.note = person_id, at, said
        breach.save(update_fields=["acknowledged_by", "acknowledged_at", "note"])
        payload = BreachAcknowledged(breach_id=str(breach.id), code=breach.code, note=said)
        at_desk.append(f"breach:{breach.id}", payload)
