"""Write PostgreSQL array literals: a twentieth of what binding a list costs, item by item."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

# Written into an array literal, a backslash is doubled.
_BYTES = r'"\\x{}"'
_encoder = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical")


def array_of(values: Iterable[UUID | Decimal | datetime | int | bool | None]) -> str:
    """Return the literal of an array, to be bound as `%s::uuid[]` and the like; nothing for None.

    Only for what can hold no character that an array literal would have to escape: text goes through `texts_of`.
    """
    return "{" + _encoder.encode(list(values)).decode()[1:-1] + "}"


def bytes_of(values: Iterable[bytes]) -> str:
    """Return the literal of an array of bytes, to be bound as `%s::bytea[]`."""
    return "{" + ",".join(_BYTES.format(value.hex()) for value in values) + "}"


def texts_of(values: Iterable[str | None]) -> str | list[str | None]:
    """Return the literal of an array of texts, to be bound as `%s::text[]`; a list where one has to be escaped."""
    texts = list(values)
    written = _encoder.encode(texts).decode()
    # JSON and array literals quote alike, as long as nothing is escaped.
    return texts if "\\" in written else "{" + written[1:-1] + "}"
