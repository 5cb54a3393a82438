"""Hold the tables against what the log makes of accounts, row by row and column by column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from django.db import connection
from psycopg.types.datetime import TimestamptzBinaryLoader

from accounts.invariants import TABLES as ACCOUNTS
from orders.invariants.stored import TABLES as ORDERS
from positions.invariants import TABLES as POSITIONS
from trading_portal.kernel.invariants import StoredTable
from trading_portal.rebuilding.folding import RebuiltAccount, RebuiltRow

TABLES = (*ACCOUNTS, *ORDERS, *POSITIONS)
_BY_KIND = {table.kind: table for table in TABLES}
_THERE, _NOT_THERE = "there", "not there"
_Key = tuple[str, UUID, tuple[Any, ...]]


class Difference(NamedTuple):
    """One thing that the tables hold otherwise than the log tells; `column` is empty where a whole row is at odds."""

    account_id: UUID
    kind: str
    key: str
    column: str
    rebuilt: object
    stored: object


def differences(accounts: Sequence[RebuiltAccount]) -> Iterator[Difference]:
    """Yield what the tables hold of these accounts otherwise than the log tells; each must have had its last event."""
    rebuilt: dict[_Key, RebuiltRow] = {}
    for account in accounts:
        if account.trouble:
            yield Difference(account.account_id, "log", "", "", account.trouble, "")
            continue
        for row in account.rows():
            key = tuple(row.columns[name] for name in _BY_KIND[row.kind].key)
            rebuilt[row.kind, account.account_id, key] = row
    sound = [account.account_id for account in accounts if not account.trouble]
    for table in TABLES:
        yield from _at_odds(table, _stored(table, sound), rebuilt)
    for kind, account_id, key in rebuilt:
        yield Difference(account_id, kind, _named(key), "", _THERE, _NOT_THERE)


def _at_odds(
    table: StoredTable, stored: Iterable[tuple[Any, ...]], rebuilt: dict[_Key, RebuiltRow]
) -> Iterator[Difference]:
    """Yield what a table's rows have otherwise, and take the rows that were found out of those rebuilt."""
    names = list(table.columns)
    places = [names.index(name) + 1 for name in table.key]
    for row in stored:
        key = tuple(row[place] for place in places)
        made = rebuilt.pop((table.kind, row[0], key), None)
        if made is None:
            yield Difference(row[0], table.kind, _named(key), "", _NOT_THERE, _THERE)
            continue
        wanted = tuple(map(made.columns.__getitem__, names))
        if wanted != row[1:]:
            for name, want, have in zip(names, wanted, row[1:], strict=True):
                if want != have and name not in made.untold:
                    yield Difference(row[0], table.kind, _named(key), name, want, have)


def _named(key: tuple[Any, ...]) -> str:
    return " ".join(str(part) for part in key)


def _stored(table: StoredTable, account_ids: Sequence[UUID]) -> list[tuple[Any, ...]]:
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.adapters.register_loader("timestamptz", TimestamptzBinaryLoader)
        cursor.execute(table.sql, [list(account_ids)], binary=True)
        rows = cursor.fetchall()
    return [_read(table, row) for row in rows] if table.documents else rows


def _read(table: StoredTable, row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row with its documents read."""
    return tuple(
        msgspec.json.decode(value) if name in table.documents and value is not None else value
        for name, value in zip(("", *table.columns), row, strict=True)
    )
