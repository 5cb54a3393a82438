"""Tell every process whose access changed, so that it looks at that person's open streams at once."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import msgspec

CHANNEL = "hub:access"

_people = msgspec.json.Decoder(list[UUID])


def people_write(people: Collection[UUID]) -> bytes:
    """Return the message that names these people."""
    return msgspec.json.encode(list(people))


def people_read(message: bytes) -> list[UUID]:
    """Return whom a message names; raise MsgspecError for what is none."""
    return _people.decode(message)
