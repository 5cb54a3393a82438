"""What is packed as an array is what PostgreSQL reads."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.sql import fetch
from trading_portal.kernel import arrays
from trading_portal.kernel.arrays import Rows

TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"))
NUMBER = st.decimals(allow_nan=False, allow_infinity=False, min_value="-1e30", max_value="1e30")
INSTANT = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
PACKED = {
    "uuid": (arrays.uuids_of, st.uuids()),
    "text": (arrays.texts_of, TEXT),
    "smallint": (arrays.smallints_of, st.integers(-(2**15), 2**15 - 1)),
    "integer": (arrays.integers_of, st.integers(-(2**31), 2**31 - 1)),
    "bigint": (arrays.bigints_of, st.integers(-(2**63), 2**63 - 1)),
    "boolean": (arrays.booleans_of, st.booleans()),
    "numeric": (arrays.numerics_of, NUMBER),
    "timestamptz": (arrays.instants_of, INSTANT),
    "date": (arrays.dates_of, st.dates()),
    "bytea": (arrays.bytes_of, st.binary()),
}


@pytest.mark.parametrize("type_", PACKED)
@given(data=st.data())
def test_every_value_arrives_as_it_was(type_, data):
    pack, values = PACKED[type_]
    sent = data.draw(st.lists(st.none() | values, max_size=5))
    assert fetch(f"SELECT %s::{type_}[]", [pack(sent)])[0][0] == sent


@given(values=st.lists(JSON.filter(lambda value: value is not None), max_size=5))
def test_json_arrives_as_it_was(values):
    rows = fetch("SELECT value::text FROM unnest(%s::jsonb[]) WITH ORDINALITY AS new(value, n) ORDER BY n",
                 [arrays.jsons_of(values)])  # fmt: skip
    assert [msgspec.json.decode(row[0]) for row in rows] == values


def test_json_keeps_numbers_exact_and_nothing_is_null():
    values = [{"price": Decimal("0.10")}, msgspec.Raw(b'{"a": 1}'), None]
    rows = fetch(
        "SELECT value->>'price', value->>'a' FROM unnest(%s::jsonb[]) AS new(value)", [arrays.jsons_of(values)]
    )
    assert rows == [("0.10", None), (None, "1"), (None, None)]


def test_rows_stand_after_from_and_are_bound_by_column():
    rows = Rows(id="bigint", name="text", left="numeric")
    assert rows.columns == "id, name, left"
    sql = f'SELECT id, name, "left" FROM {rows} ORDER BY id'.replace("left)", '"left")')
    assert fetch(sql, rows.bound([(2, "b", Decimal("0.5")), (1, None, None)])) == [
        (1, None, None),
        (2, "b", Decimal("0.5")),
    ]
    assert fetch(sql, rows.bound([])) == []


@pytest.mark.parametrize("rows", [[(1, 2)], [(1, "a", None), (2, "b")], [(1, "a", None, 4)]])
def test_a_row_of_another_length_is_refused(rows):
    with pytest.raises(ValueError, match="zip"):
        Rows(id="bigint", name="text", held="numeric").bound(rows)
