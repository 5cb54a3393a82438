"""Pack columns as PostgreSQL reads arrays in binary: half of what it costs to take rows apart that came as text."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

import msgspec

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST_DAY = _EPOCH.date()
_MICROSECOND = timedelta(microseconds=1)
# One dimension, whether any item is null, the item's type, how many there are, the number of the first.
_HEAD = struct.Struct("!iiIii")
_LENGTH = struct.Struct("!i").pack
_NULL = _LENGTH(-1)
_UUID = _LENGTH(16)
_TRUE, _FALSE = _LENGTH(1) + b"\1", _LENGTH(1) + b"\0"
_JSONB_VERSION = b"\1"
_encoder = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical")


class Array:
    """A column as it goes to the server; PostgreSQL's own numbers (pg_type.dat) say what its items and itself are."""

    __slots__ = ("wire",)
    item_oid: ClassVar[int]
    array_oid: ClassVar[int]

    def __init__(self, items: Sequence[bytes]) -> None:
        self.wire = _HEAD.pack(1, 1, self.item_oid, len(items), 1) + b"".join(items)


class UuidArray(Array):
    """A `uuid[]`."""

    item_oid, array_oid = 2950, 2951


class TextArray(Array):
    """A `text[]`."""

    item_oid, array_oid = 25, 1009


class SmallintArray(Array):
    """A `smallint[]`."""

    item_oid, array_oid = 21, 1005


class IntegerArray(Array):
    """An `integer[]`."""

    item_oid, array_oid = 23, 1007


class BigintArray(Array):
    """A `bigint[]`."""

    item_oid, array_oid = 20, 1016


class BooleanArray(Array):
    """A `boolean[]`."""

    item_oid, array_oid = 16, 1000


class InstantArray(Array):
    """A `timestamptz[]`."""

    item_oid, array_oid = 1184, 1185


class DateArray(Array):
    """A `date[]`."""

    item_oid, array_oid = 1082, 1182


class JsonbArray(Array):
    """A `jsonb[]`."""

    item_oid, array_oid = 3802, 3807


class BytesArray(Array):
    """A `bytea[]`."""

    item_oid, array_oid = 17, 1001


def uuids_of(values: Iterable[UUID | None]) -> UuidArray:
    """Return a `uuid[]`."""
    return UuidArray([_NULL if value is None else _UUID + value.bytes for value in values])


def texts_of(values: Iterable[str | None]) -> TextArray:
    """Return a `text[]`."""
    return TextArray(_sized([None if value is None else value.encode() for value in values]))


def bytes_of(values: Iterable[bytes | None]) -> BytesArray:
    """Return a `bytea[]`."""
    return BytesArray(_sized(values))


def jsons_of(values: Iterable[Any]) -> JsonbArray:
    """Return a `jsonb[]`; decimals go in as text, and what is JSON already as `msgspec.Raw`."""
    encode = _encoder.encode
    return JsonbArray(_sized([None if value is None else _JSONB_VERSION + encode(value) for value in values]))


def booleans_of(values: Iterable[bool | None]) -> BooleanArray:
    """Return a `boolean[]`."""
    return BooleanArray([_NULL if value is None else _TRUE if value else _FALSE for value in values])


def smallints_of(values: Iterable[int | None]) -> SmallintArray:
    """Return a `smallint[]`."""
    return SmallintArray(_fixed("!ih", values))


def integers_of(values: Iterable[int | None]) -> IntegerArray:
    """Return an `integer[]`."""
    return IntegerArray(_fixed("!ii", values))


def bigints_of(values: Iterable[int | None]) -> BigintArray:
    """Return a `bigint[]`."""
    return BigintArray(_fixed("!iq", values))


def instants_of(values: Iterable[datetime | None]) -> InstantArray:
    """Return a `timestamptz[]`; all instants are aware."""
    since = [None if value is None else (value - _EPOCH) // _MICROSECOND for value in values]
    return InstantArray(_fixed("!iq", since))


def dates_of(values: Iterable[date | None]) -> DateArray:
    """Return a `date[]`."""
    return DateArray(_fixed("!ii", [None if value is None else (value - _FIRST_DAY).days for value in values]))


def numerics_of(values: Iterable[Decimal | None]) -> TextArray:
    """Return what `%s::numeric[]` takes: numbers as text, as Python would take four times as long to pack them."""
    return TextArray(_sized([None if value is None else str(value).encode() for value in values]))


def _fixed(layout: str, values: Iterable[int | None]) -> list[bytes]:
    packed = struct.Struct(layout)
    size, pack = packed.size - 4, packed.pack
    return [_NULL if value is None else pack(size, value) for value in values]


def _sized(values: Iterable[bytes | None]) -> list[bytes]:
    return [_NULL if value is None else _LENGTH(len(value)) + value for value in values]


_PACK: dict[str, Callable[[Iterable[Any]], Array]] = {
    "uuid": uuids_of,
    "text": texts_of,
    "smallint": smallints_of,
    "integer": integers_of,
    "bigint": bigints_of,
    "boolean": booleans_of,
    "numeric": numerics_of,
    "timestamptz": instants_of,
    "date": dates_of,
    "jsonb": jsons_of,
    "bytea": bytes_of,
}


class Rows:
    """The rows that a set-wise statement takes: its columns with their types; as text, what stands after FROM.

    >>> str(Rows(id="uuid", left="numeric"))
    'unnest(%s::uuid[], %s::numeric[]) AS new(id, left)'
    """

    def __init__(self, **columns: str) -> None:
        self.columns = ", ".join(columns)
        self._types = columns
        self._pack = [_PACK[type_] for type_ in columns.values()]

    def __str__(self) -> str:
        """Return the rows as a table called `new`."""
        taken = ", ".join(f"%s::{type_}[]" for type_ in self._types.values())
        return f"unnest({taken}) AS new({self.columns})"

    def bound(self, rows: Iterable[Sequence[Any]]) -> list[Array]:
        """Return the parameters that hold these rows, a column each; raise ValueError for a row of another length."""
        columns = list(zip(*rows, strict=True)) or [()] * len(self._pack)
        # All are counted before one is packed: a column in the wrong place would be a riddle.
        pairs = list(zip(self._pack, columns, strict=True))
        return [pack(column) for pack, column in pairs]
