"""What every write of the risk desk shares: who, why, under which lock, and into the log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.domain.types import LockedAccounts
from accounts.services import accounts_lock, accounts_sequences_save
from audit.domain.types import Actor, EventPayload, NewEvent
from audit.services import events_append
from marketdata.selectors import instruments_by_id
from risk.domain.reasons import sentence
from trading_portal.kernel.errors import Conflict, Fact, Forbidden, InvalidInput, NotFound, PortalError, reason
from trading_portal.kernel.ids import uuid7

REASON_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Desk:
    """One write in progress: it holds the account's lock when it is about one account."""

    by: Actor
    at: datetime
    correlation_id: UUID
    account_id: UUID | None
    locked: LockedAccounts | None

    def append(self, stream: str, payload: EventPayload) -> None:
        """Append one event about the scope, in the account's sequence when it is about one."""
        is_account = self.account_id is not None and self.locked is not None
        event = NewEvent(
            stream=stream,
            payload=payload,
            actor=self.by,
            correlation_id=self.correlation_id,
            valid_at=self.at,
            account_id=self.account_id if is_account else None,
            account_sequence=self.locked.take_sequence(self.account_id) if self.locked and self.account_id else None,
        )
        events_append(events=[event], at=self.at)


@contextmanager
def desk(*, account_id: UUID | None, by: Actor, at: datetime) -> Iterator[Desk]:
    """Open a transaction for one write, under the account's lock when its scope is an account."""
    with transaction.atomic():
        locked = accounts_lock([account_id]) if account_id is not None else None
        yield Desk(by, at, uuid7(), account_id, locked)
        if locked is not None:
            accounts_sequences_save(locked)


def refusal(kind: type[PortalError], code: str, /, **facts: Fact) -> PortalError:
    """Return an error whose sentence risk owns."""
    return kind(reason(code, **facts), sentence(code, facts))


def conflict(code: str, /, **facts: Fact) -> PortalError:
    """Return an error for what no longer fits."""
    return refusal(Conflict, code, **facts)


def invalid(code: str, /, **facts: Fact) -> PortalError:
    """Return an error for what cannot be understood."""
    return refusal(InvalidInput, code, **facts)


def missing(code: str, /, **facts: Fact) -> PortalError:
    """Return an error for what is not there."""
    return refusal(NotFound, code, **facts)


def reason_require(text: str) -> str:
    """Return why, trimmed; refuse to do anything without."""
    why = text.strip()
    if not why or len(why) > REASON_LENGTH:
        raise invalid("REASON_REQUIRED", limit=REASON_LENGTH)
    return why


def person_require(by: Actor) -> UUID:
    """Return the id of the signed-in person who acts; programs may tighten, never loosen or approve."""
    if by.kind != "user":
        raise refusal(Forbidden, "PERSON_REQUIRED", actor=str(by))
    return UUID(by.id)


def instrument_require(instrument_id: UUID | None) -> None:
    """Refuse a scope that names an instrument that is not there."""
    if instrument_id is not None and instrument_id not in instruments_by_id([instrument_id]):
        raise missing("SCOPE_NOT_FOUND", kind="instrument")


def text_of(key: UUID | None) -> str | None:
    """Return an id as the log has it."""
    return None if key is None else str(key)
