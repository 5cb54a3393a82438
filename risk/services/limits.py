"""Set limits: tighter at once, looser only by two people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from audit.domain.types import Actor
from risk.domain.defaults import FIRM_DEFAULTS
from risk.domain.events import LimitRemoved, LimitSet
from risk.domain.limits import ONE_FOR_ALL_INSTRUMENTS, Setting, is_loosening, is_loosening_any, value_parse
from risk.domain.outcomes import ChangeOutcome
from risk.models import ChangeRequest, Limit, Rule
from risk.services.desk import Desk, conflict, desk, instrument_require, invalid, missing, reason_require, text_of
from risk.services.proposals import change_propose
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import plain

LOADER = Actor.system("firm_defaults")


@transaction.atomic
def firm_defaults_ensure(*, at: datetime) -> None:
    """Give the firm a limit for every rule that has none; limits that are there stay as they are."""
    known = set(Limit.objects.filter(account=None, instrument=None).values_list("rule", flat=True))
    with desk(account_id=None, by=LOADER, at=at) as at_desk:
        for rule, value in FIRM_DEFAULTS.items():
            if rule not in known:
                limit = Limit(id=uuid7(), rule=rule, value=value, changed_at=at)
                _create(at_desk, limit, cause="default", why="Firm default")


def limit_change(
    *,
    limit_id: UUID,
    value: Decimal,
    is_enforced: bool,
    reason: str,
    by: Actor,
    at: datetime,
    reverts_at: datetime | None = None,
    expected_version: int | None = None,
) -> ChangeOutcome:
    """Tighten a limit at once, or propose to loosen it, for good or until `reverts_at`.

    Raise NotFound, InvalidInput for a value the rule cannot have, and Conflict when nothing changes, when the limit
    is no longer at `expected_version`, when a loosening waits already, or while a temporary one runs.
    """
    why = reason_require(reason)
    scope = Limit.objects.filter(id=limit_id).values_list("account_id", flat=True).first()
    with desk(account_id=scope, by=by, at=at) as at_desk:
        limit = limit_lock(at_desk, limit_id)
        if limit is None:
            raise missing("LIMIT_NOT_FOUND")
        after = _setting(limit.rule, value, is_enforced)
        before = Setting(limit.value, limit.is_enforced)
        if expected_version is not None and expected_version != limit.version:
            raise conflict("LIMIT_MOVED", version=limit.version)
        if after == before:
            raise conflict("LIMIT_UNCHANGED")
        if not is_loosening(limit.rule, before, after):
            if reverts_at is not None:
                raise invalid("CHANGE_EXPIRY_INVALID")
            limit_set(at_desk, limit, after, cause="tightened", why=why)
            return ChangeOutcome("applied", limit.id)
        if limit.temporary_until is not None:
            raise conflict("LIMIT_IS_TEMPORARY", until=limit.temporary_until)
        change_id = change_propose(
            at_desk,
            kind=ChangeRequest.Kind.LIMIT,
            target_id=limit.id,
            target_version=limit.version,
            scope=(limit.account_id, limit.instrument_id),
            before=_words(limit.rule, before),
            after=_words(limit.rule, after),
            why=why,
            stream=f"limit:{limit.id}",
            reverts_at=reverts_at,
        )
        return ChangeOutcome("proposed", limit.id, change_id)


def limit_create(
    *,
    rule: str,
    account_id: UUID | None,
    instrument_id: UUID | None,
    value: Decimal,
    is_enforced: bool,
    reason: str,
    by: Actor,
    at: datetime,
    reverts_at: datetime | None = None,
) -> ChangeOutcome:
    """Set a limit for a scope of its own: at once when it is no looser than all it takes the place of."""
    why = reason_require(reason)
    if rule not in Rule.values:
        raise missing("LIMIT_NOT_FOUND")
    if rule in ONE_FOR_ALL_INSTRUMENTS and instrument_id is not None:
        raise invalid("LIMIT_SCOPE_INVALID")
    instrument_require(instrument_id)
    after = _setting(rule, value, is_enforced)
    with desk(account_id=account_id, by=by, at=at) as at_desk:
        taken = Limit.objects.filter(rule=rule, account=account_id, instrument=instrument_id).first()
        if taken is not None and limit_lock(at_desk, taken.id) is not None:
            raise conflict("LIMIT_SCOPE_TAKEN")
        limit = Limit(
            id=uuid7(),
            rule=rule,
            account_id=account_id,
            instrument_id=instrument_id,
            value=after.value,
            is_enforced=after.is_enforced,
            changed_at=at,
        )
        if not is_loosening_any(rule, _shadowed(rule, account_id, instrument_id, at), after):
            if reverts_at is not None:
                raise invalid("CHANGE_EXPIRY_INVALID")
            _create(at_desk, limit, cause="tightened", why=why)
            return ChangeOutcome("applied", limit.id)
        change_id = change_propose(
            at_desk,
            kind=ChangeRequest.Kind.LIMIT,
            target_id=limit.id,
            target_version=0,
            scope=(account_id, instrument_id),
            before={"rule": rule},
            after=_words(rule, after),
            why=why,
            stream=f"limit:{limit.id}",
            reverts_at=reverts_at,
        )
        return ChangeOutcome("proposed", limit.id, change_id)


def limit_approve(at_desk: Desk, change: ChangeRequest) -> bool:
    """Apply an approved loosening; return False when the limit moved since it was proposed."""
    after = Setting(Decimal(change.after["value"]), change.after["is_enforced"] == "yes")
    if change.target_version == 0:
        scope = {"rule": change.after["rule"], "account": change.account_id, "instrument": change.instrument_id}
        if Limit.objects.filter(**scope).exists():
            return False
        limit = Limit(
            id=change.target_id,
            rule=change.after["rule"],
            account_id=change.account_id,
            instrument_id=change.instrument_id,
            value=after.value,
            is_enforced=after.is_enforced,
            changed_at=at_desk.at,
            temporary_until=change.reverts_at,
        )
        _create(at_desk, limit, cause="approved", why=change.reason, change_id=change.id)
        return True
    found = limit_lock(at_desk, change.target_id)
    if found is None or found.version != change.target_version:
        return False
    if change.reverts_at is not None:
        found.temporary_until = change.reverts_at
        found.standing_value, found.standing_is_enforced = found.value, found.is_enforced
    limit_set(at_desk, found, after, cause="approved", why=change.reason, change_id=change.id)
    return True


def limits_revert_due(*, at: datetime) -> int:
    """Put back every temporary limit that is over; return how many. The check heeds the end by itself, on time."""
    due = Limit.objects.filter(temporary_until__lte=at).values_list("id", "account_id")
    for limit_id, account_id in list(due):
        with desk(account_id=account_id, by=Actor.system("limits_revert"), at=at) as at_desk:
            limit_lock(at_desk, limit_id)
    return len(due)


def limit_lock(at_desk: Desk, limit_id: UUID) -> Limit | None:
    """Return a limit under lock, put back first when it was temporary and is over; None when it is not there."""
    limit = Limit.objects.select_for_update().filter(id=limit_id).first()
    if limit is None or limit.temporary_until is None or limit.temporary_until > at_desk.at:
        return limit
    change = ChangeRequest.objects.filter(
        target_id=limit_id, state=ChangeRequest.State.APPROVED, reverts_at__isnull=False, reverted_at=None
    ).first()
    change_id = change.id if change else None
    if change is not None:
        change.reverted_at = at_desk.at
        change.save(update_fields=["reverted_at"])
    if limit.standing_value is None or limit.standing_is_enforced is None:
        payload = LimitRemoved(
            limit_id=str(limit.id),
            rule=limit.rule,
            scope_account_id=text_of(limit.account_id),
            scope_instrument_id=text_of(limit.instrument_id),
            value_before=limit.value,
            change_id=text_of(change_id),
        )
        at_desk.append(f"limit:{limit.id}", payload)
        limit.delete()
        return None
    standing = Setting(limit.standing_value, limit.standing_is_enforced)
    limit.temporary_until = limit.standing_value = limit.standing_is_enforced = None
    limit_set(at_desk, limit, standing, cause="reverted", why="The change was temporary.", change_id=change_id)
    return limit


def limit_set(
    at_desk: Desk, limit: Limit, after: Setting, *, cause: str, why: str, change_id: UUID | None = None
) -> None:
    """Store a new setting of a locked limit as its next version, and say so in the log."""
    before = Setting(limit.value, limit.is_enforced)
    limit.value, limit.is_enforced = after.value, after.is_enforced
    limit.version += 1
    limit.changed_at = at_desk.at
    _end_temporary_when_pointless(at_desk, limit)
    limit.save()
    at_desk.append(f"limit:{limit.id}", _payload(limit, before, cause, why, change_id))


def _end_temporary_when_pointless(at_desk: Desk, limit: Limit) -> None:
    """Make a temporary limit a plain one once it is tightened to its standing value: nothing is left to go back to."""
    if limit.standing_value is None or limit.standing_is_enforced is None:
        return
    standing = Setting(limit.standing_value, limit.standing_is_enforced)
    if is_loosening(limit.rule, standing, Setting(limit.value, limit.is_enforced)):
        return
    limit.temporary_until = limit.standing_value = limit.standing_is_enforced = None
    ChangeRequest.objects.filter(
        target_id=limit.id, state=ChangeRequest.State.APPROVED, reverts_at__isnull=False, reverted_at=None
    ).update(reverted_at=at_desk.at)


def _create(at_desk: Desk, limit: Limit, *, cause: str, why: str, change_id: UUID | None = None) -> None:
    limit.save(force_insert=True)
    at_desk.append(f"limit:{limit.id}", _payload(limit, None, cause, why, change_id))


def _payload(limit: Limit, before: Setting | None, cause: str, why: str, change_id: UUID | None) -> LimitSet:
    return LimitSet(
        limit_id=str(limit.id),
        rule=limit.rule,
        scope_account_id=text_of(limit.account_id),
        scope_instrument_id=text_of(limit.instrument_id),
        value=limit.value,
        is_enforced=limit.is_enforced,
        value_before=before.value if before else None,
        is_enforced_before=before.is_enforced if before else None,
        limit_version=limit.version,
        cause=cause,
        reason=why,
        change_id=text_of(change_id),
        temporary_until=limit.temporary_until.isoformat() if limit.temporary_until else None,
    )


def _setting(rule: str, value: Decimal, is_enforced: bool) -> Setting:
    parsed = value_parse(rule, value)
    if parsed is None:
        raise invalid("LIMIT_VALUE_INVALID", value=str(value))
    return Setting(parsed, is_enforced)


def _words(rule: str, setting: Setting) -> Mapping[str, str]:
    return {"rule": rule, "value": plain(setting.value), "is_enforced": "yes" if setting.is_enforced else "no"}


def _shadowed(rule: str, account_id: UUID | None, instrument_id: UUID | None, at: datetime) -> list[Setting]:
    """Return the settings that a new limit of a scope takes the place of: the next wider ones that hold now."""
    rows: dict[tuple[UUID | None, UUID | None], Setting] = {}
    for row in Limit.objects.filter(rule=rule):
        if row.temporary_until is None or row.temporary_until > at:
            rows[row.account_id, row.instrument_id] = Setting(row.value, row.is_enforced)
        elif row.standing_value is not None and row.standing_is_enforced is not None:
            rows[row.account_id, row.instrument_id] = Setting(row.standing_value, row.standing_is_enforced)
    firm = [rows[None, None]] if (None, None) in rows else []
    if account_id is None:
        return firm
    if instrument_id is None:
        # An account's limit beats every instrument's, which may be tighter than the firm's.
        return firm + [row for (owner, instrument), row in rows.items() if owner is None and instrument is not None]
    for wider in ((account_id, None), (None, instrument_id)):
        if wider in rows:
            return [rows[wider]]
    return firm
