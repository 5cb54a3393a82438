"""Say why: a reason is a code plus facts; an error is a reason that is raised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from trading_portal.kernel.money import plain

Fact = str | int | bool | Decimal | datetime | UUID | None


def fact_text(fact: Fact) -> str:
    """Return a fact as people and JSON read it."""
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    if isinstance(fact, Decimal):
        return plain(fact)
    if isinstance(fact, datetime):
        return fact.isoformat()
    return "-" if fact is None else str(fact)


@dataclass(frozen=True, slots=True)
class Reason:
    """Name why something was refused: an UPPER_CASE code and the facts that decided."""

    code: str
    facts: Mapping[str, Fact] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return `CODE: name=value name=value`."""
        facts = " ".join(f"{name}={fact_text(value)}" for name, value in self.facts.items())
        return f"{self.code}: {facts}" if facts else self.code

    def as_dict(self) -> dict[str, object]:
        """Return the shape stored and sent: {"code": str, "facts": {name: str}}."""
        return {"code": self.code, "facts": {name: fact_text(value) for name, value in self.facts.items()}}


def reason(code: str, **facts: Fact) -> Reason:
    """Return a Reason with its facts in the order given."""
    return Reason(code, facts)


class PortalError(Exception):
    """Carry a reason and a sentence up to the edge, which turns both into an answer."""

    status = 500

    def __init__(self, why: Reason, sentence: str) -> None:
        super().__init__(f"{sentence} ({why})")
        self.reason = why
        self.sentence = sentence


class InvalidInput(PortalError):
    """Refuse input that cannot be understood; nothing was stored."""

    status = 422


class NotFound(PortalError):
    """Say that a thing is not there, or not for this caller."""

    status = 404


class Forbidden(PortalError):
    """Refuse what this caller may not do."""

    status = 403


class Conflict(PortalError):
    """Refuse what no longer fits the state of the thing."""

    status = 422


class Unavailable(PortalError):
    """Say that the portal cannot decide now; the same request may be sent again under the same key."""

    status = 503
