"""Latch kill switches at once; release them only by two people."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import connection

from audit.domain.types import Actor
from positions.selectors import reservations_in_scope
from risk.domain.events import KillSwitchLatched, KillSwitchReleased
from risk.domain.outcomes import ChangeOutcome, LatchOutcome
from risk.models import ChangeRequest, KillSwitch
from risk.services.desk import (
    Desk,
    conflict,
    desk,
    instrument_require,
    missing,
    person_require,
    reason_require,
    text_of,
)
from risk.services.proposals import change_propose
from trading_portal.kernel.ids import uuid7

# Two officers may pull it at once: one latches, the other finds it latched.
_LATCH = """
INSERT INTO risk_killswitch (id, account_id, instrument_id, venue, reason, version, latched_by_id, latched_at,
                             orders_to_cancel)
VALUES (%s, %s, %s, %s, %s, 1, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id
"""


def kill_switch_latch(
    *, account_id: UUID | None, instrument_id: UUID | None, venue: str, reason: str, by: Actor, at: datetime
) -> LatchOutcome:
    """Stop a scope now: nothing in it is accepted or sent any more; the event's handler cancels what is open.

    All of account, instrument and venue empty is the firm. Latching what is latched changes nothing.
    `orders_to_cancel` counts the open orders of account and instrument; which of them are at a venue, orders knows.
    """
    why = reason_require(reason)
    person_id = person_require(by)
    instrument_require(instrument_id)
    with desk(account_id=account_id, by=by, at=at) as at_desk:
        count, _ = reservations_in_scope(account_id=account_id, instrument_id=instrument_id, limit=1)
        switch_id = uuid7()
        with connection.cursor() as cursor:
            cursor.execute(_LATCH, [switch_id, account_id, instrument_id, venue, why, person_id, at, count])
            is_new = cursor.fetchone() is not None
        if not is_new:
            latched = KillSwitch.objects.get(
                account=account_id, instrument=instrument_id, venue=venue, released_at=None
            )
            return LatchOutcome(latched.id, latched.orders_to_cancel, is_new=False)
        payload = KillSwitchLatched(
            kill_switch_id=str(switch_id),
            scope_account_id=text_of(account_id),
            scope_instrument_id=text_of(instrument_id),
            venue=venue,
            reason=why,
            orders_to_cancel=count,
        )
        at_desk.append(f"kill_switch:{switch_id}", payload)
        return LatchOutcome(switch_id, count, is_new=True)


def kill_switch_release_propose(*, kill_switch_id: UUID, reason: str, by: Actor, at: datetime) -> ChangeOutcome:
    """Ask for a switch to be released. It stays latched until a second person approves; other switches stay anyway."""
    why = reason_require(reason)
    account_id = KillSwitch.objects.filter(id=kill_switch_id).values_list("account_id", flat=True).first()
    with desk(account_id=account_id, by=by, at=at) as at_desk:
        switch = KillSwitch.objects.select_for_update().filter(id=kill_switch_id).first()
        if switch is None:
            raise missing("SWITCH_NOT_FOUND")
        if switch.released_at is not None:
            raise conflict("SWITCH_RELEASED")
        change_id = change_propose(
            at_desk,
            kind=ChangeRequest.Kind.KILL_SWITCH_RELEASE,
            target_id=switch.id,
            target_version=switch.version,
            scope=(switch.account_id, switch.instrument_id),
            before={"switch": "latched", "venue": switch.venue},
            after={"switch": "released", "venue": switch.venue},
            why=why,
            stream=f"kill_switch:{switch.id}",
        )
        return ChangeOutcome("proposed", switch.id, change_id)


def switch_approve(at_desk: Desk, change: ChangeRequest) -> bool:
    """Release a switch; return False when it was released already."""
    switch = KillSwitch.objects.select_for_update().filter(id=change.target_id).first()
    if switch is None or switch.released_at is not None or switch.version != change.target_version:
        return False
    switch.released_at, switch.released_by_id = at_desk.at, person_require(at_desk.by)
    switch.version += 1
    switch.save()
    payload = KillSwitchReleased(
        kill_switch_id=str(switch.id),
        scope_account_id=text_of(switch.account_id),
        scope_instrument_id=text_of(switch.instrument_id),
        venue=switch.venue,
        reason=change.reason,
        change_id=str(change.id),
    )
    at_desk.append(f"kill_switch:{switch.id}", payload)
    return True
