"""Events: what happened, who did it, when it held and when it was recorded."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, Self, TypeVar
from uuid import UUID

import msgspec


@dataclass(frozen=True, slots=True)
class Actor:
    """Name who did something: a person, a key, a venue or a part of the system."""

    kind: str
    id: str

    @classmethod
    def user(cls, user_id: UUID) -> Self:
        """Return the actor for a signed-in person."""
        return cls("user", str(user_id))

    @classmethod
    def api_key(cls, key_id: str) -> Self:
        """Return the actor for a program with an API key."""
        return cls("api_key", key_id)

    @classmethod
    def venue(cls, name: str) -> Self:
        """Return the actor for a venue that reported something."""
        return cls("venue", name)

    @classmethod
    def system(cls, name: str) -> Self:
        """Return the actor for a part of the portal itself."""
        return cls("system", name)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the actor that `str` wrote."""
        kind, _, name = text.partition(":")
        return cls(kind, name)

    def __str__(self) -> str:
        """Return `kind:id`."""
        return f"{self.kind}:{self.id}"


class EventPayload(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every typed payload; a subclass names its TYPE and VERSION and is registered when defined."""

    TYPE: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1

    def __init_subclass__(cls, **options: Any) -> None:
        """Register the payload, refusing a type and version that another one has."""
        super().__init_subclass__(**options)
        if not cls.TYPE:
            return
        known = PAYLOADS.setdefault((cls.TYPE, cls.VERSION), cls)
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"{cls.TYPE} v{cls.VERSION} is already {known.__qualname__}.")
        PAYLOADS[(cls.TYPE, cls.VERSION)] = cls


PAYLOADS: dict[tuple[str, int], type[EventPayload]] = {}


P = TypeVar("P", bound=EventPayload)


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event to append; `sequence=None` takes the next one of its stream from the log itself."""

    stream: str
    payload: EventPayload
    actor: Actor
    correlation_id: UUID
    valid_at: datetime
    account_id: UUID | None = None
    account_sequence: int | None = None
    sequence: int | None = None
    causation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log, in commit-safe order."""

    xid: int
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """An event as the log holds it; `payload` reads its JSON, `payload_of` its type: most readers need neither."""

    id: UUID
    xid: int
    stream: str
    sequence: int
    account_id: UUID | None
    account_sequence: int | None
    type: str
    version: int
    payload_json: str
    actor: str
    correlation_id: UUID
    causation_id: UUID | None
    valid_at: datetime
    recorded_at: datetime

    @property
    def position(self) -> Position:
        """Return where in the log the event stands."""
        return Position(self.xid, self.id)

    @property
    def payload(self) -> Mapping[str, Any]:
        """Return the payload's facts."""
        found: Mapping[str, Any] = msgspec.json.decode(self.payload_json)
        return found

    def payload_of(self, payload_type: builtins.type[P]) -> P:
        """Return the payload as its type; raise msgspec.ValidationError when it is another one's."""
        return msgspec.json.decode(self.payload_json, type=payload_type, strict=False)


class LoggedEvent(NamedTuple):
    """What folding an account's events needs of one; made by the hundred thousand, so a bare tuple with names.

    `xid` tells which events were written together; `correlation_id` is there for the first event of a stream.
    """

    account_id: UUID
    account_sequence: int
    xid: int
    sequence: int
    type: str
    version: int
    payload_json: str
    correlation_id: UUID | None
    valid_at: datetime
    recorded_at: datetime


class LogExtent(NamedTuple):
    """How much of an account's log is meant: its events from the first up to a sequence."""

    account_id: UUID
    until: int


def stream_id(stream: str) -> str:
    """Return what follows the colon in a stream's name: `order:<id>` gives the id."""
    return stream.partition(":")[2]
