"""Run set-wise SQL on Django's own connection, bound by the server: rows go in as one JSON parameter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
from django.db import connection, transaction
from psycopg.types.datetime import TimestamptzLoader

_encoder = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical")


def require_transaction() -> None:
    """Raise outside a transaction: what is written here belongs to one."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Orders are written inside a transaction.")


@contextmanager
def pipelined() -> Iterator[None]:
    """Send the statements of a block without waiting for each; what fails raises at its end, or at the next read."""
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


def fetch(sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
    """Return the rows of a statement, in the transaction that is open on this thread."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        # Django's own loader of instants is Python on top of psycopg's C; the connection speaks UTC anyhow.
        cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def execute(sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> int:
    """Run a statement and return how many rows it touched; -1 in a pipeline, where nobody waits to hear."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(sql, parameters)
        return cursor.rowcount


def as_json(rows: Sequence[Any]) -> str:
    """Return rows as the one JSON text that `json_to_recordset` unfolds; decimals as text, bytes as base64."""
    return _encoder.encode(rows).decode()
