"""Who reads a stream; asked again before every read, so that a right that ended ends the stream."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

import jwt
from django.conf import settings

from accounts.selectors import accounts_visible_among, keys_granting
from trading_portal.kernel import clock

_KEY, _PERSON = "key", "person"
# How django-eventstream writes the token by which Pushpin asks again on behalf of a reader it holds.
_ISSUER, _ALGORITHM = "es", "HS256"


@dataclass(frozen=True, slots=True)
class StreamReader:
    """A person who has signed in, or a program by the id of a key whose secret it has shown."""

    kind: str
    who: str

    is_authenticated = True

    @classmethod
    def person(cls, user_id: UUID) -> Self:
        """Return the reader that a signed-in person is."""
        return cls(_PERSON, str(user_id))

    @classmethod
    def key(cls, key_id: str) -> Self:
        """Return the reader that a key's holder is."""
        return cls(_KEY, key_id)

    @classmethod
    def named(cls, name: str) -> Self:
        """Return the reader of this id."""
        kind, _, who = name.partition("-")
        return cls(kind, who)

    @property
    def id(self) -> str:
        """Return what django-eventstream and Pushpin know the reader by."""
        return f"{self.kind}-{self.who}"

    @property
    def pk(self) -> str:
        """Return the same, as django-eventstream asks for it."""
        return self.id

    def may_read(self, account_id: UUID) -> bool:
        """Tell whether this account may be read now."""
        return bool(reads_allowed([(self, account_id)], clock.now()))


Read = tuple[StreamReader, UUID]


def reads_allowed(reads: Collection[Read], at: datetime) -> set[Read]:
    """Return which reader may read which account now; one statement for all keys, two for all people."""
    grants = keys_granting({reader.who for reader, _ in reads if reader.kind == _KEY}, at)
    people = {(UUID(reader.who), account_id) for reader, account_id in reads if reader.kind == _PERSON}
    visible = accounts_visible_among(people) if people else set()

    def is_allowed(reader: StreamReader, account_id: UUID) -> bool:
        if reader.kind == _PERSON:
            return (UUID(reader.who), account_id) in visible
        return reader.who in grants and grants[reader.who].account_id == account_id

    return {read for read in reads if is_allowed(*read)}


def reader_of_token(token: str, channel: str) -> StreamReader | None:
    """Return who a token speaks for in a channel, None when it is not one of ours, or no longer."""
    try:
        told = jwt.decode(
            token,
            settings.SECRET_KEY.encode(),
            algorithms=[_ALGORITHM],
            issuer=_ISSUER,
            options={"require": ["exp", "iss"]},
        )
    except jwt.InvalidTokenError:
        return None
    return StreamReader.named(str(told["user"])) if told.get("channels") == [channel] and "user" in told else None
