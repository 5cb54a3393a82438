"""Run set-wise SQL on Django's own connection, bound by the server, in the transaction that is open on this thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.adapt import AdaptersMap, Buffer, Dumper, Loader
from psycopg.pq import Format, PipelineStatus
from psycopg.types.datetime import TimestamptzLoader

from trading_portal.kernel.arrays import Array
from trading_portal.kernel.ids import uuid_of

PREPARE_AFTER = 5
# What is looked for on a hot connection is looked for by key, a row at a time. A join that reads a whole index would be
# taken when a queue was empty as statistics were taken, and kept when it is long.
_KEEP = """
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off
"""

Parameters = Sequence[Any] | Mapping[str, Any]
Row = tuple[Any, ...]
_encoder = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical")


class _ArrayDumper(Dumper):
    """Hand over arrays that are packed already."""

    format = Format.BINARY

    def dump(self, obj: Array) -> bytes:
        return obj.wire


class _UuidLoader(Loader):
    """Read a UUID in a third of the time that psycopg's own loader takes."""

    def load(self, data: Buffer) -> UUID:
        return uuid_of(int(bytes(data).replace(b"-", b""), 16))


class _Cursor(psycopg.Cursor[Any]):
    """A cursor that binds packed arrays, and reads instants as psycopg does."""

    @property
    def adapters(self) -> AdaptersMap:
        return _adapters()


@cache
def _adapters() -> AdaptersMap:
    """Return what the cursors of this process read and bind with: the same for each, made once."""
    adapters = AdaptersMap(connection.connection.adapters)
    for kind in Array.__subclasses__():
        adapters.register_dumper(kind, type(f"{kind.__name__}Dumper", (_ArrayDumper,), {"oid": kind.array_oid}))
    # Django's own loader of instants is Python on top of psycopg's C; the connection speaks UTC anyhow.
    adapters.register_loader("timestamptz", TimestamptzLoader)
    adapters.register_loader("uuid", _UuidLoader)
    return adapters


def require_transaction() -> None:
    """Raise outside a transaction: what is written here belongs to one."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("What belongs together is written inside one transaction.")


@contextmanager
def pipelined() -> Iterator[None]:
    """Send the statements of a block without waiting for each; what fails raises at its end, or at the next read.

    Within another such block it changes nothing: its end would wait once more.
    """
    connection.ensure_connection()
    if connection.connection.pgconn.pipeline_status != PipelineStatus.OFF:
        yield
        return
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


def statements_keep(wrapper: BaseDatabaseWrapper) -> None:
    """Let a hot connection plan each statement once, and never by a scan.

    A plan made while a table was small would otherwise scan it for ever after.
    """
    wrapper.ensure_connection()
    wrapper.connection.prepare_threshold = PREPARE_AFTER
    with wrapper.cursor() as cursor:
        cursor.execute(_KEEP)


def fetch(sql: str, parameters: Parameters = (), *, prepare: bool | None = None) -> list[Row]:
    """Return the rows of a statement; `prepare` plans it once for the connection, from its first use."""
    return fetch_later(sql, parameters, prepare=prepare)()


def fetch_later(sql: str, parameters: Parameters = (), *, prepare: bool | None = None) -> Callable[[], list[Row]]:
    """Send a statement, inside `pipelined`, and return what waits for its rows: one wait for many statements."""
    connection.ensure_connection()
    with connection.wrap_database_errors:
        cursor = _Cursor(connection.connection).execute(sql, parameters, prepare=prepare)

    def rows() -> list[Row]:
        with connection.wrap_database_errors, cursor:
            return cursor.fetchall()

    return rows


def execute(sql: str, parameters: Parameters = ()) -> int:
    """Run a statement and return how many rows it touched; -1 in a pipeline, where nobody waits to hear."""
    connection.ensure_connection()
    with connection.wrap_database_errors, _Cursor(connection.connection) as cursor:
        return cursor.execute(sql, parameters).rowcount


def as_json(rows: Sequence[Any]) -> str:
    """Return rows as the one JSON text that `json_to_recordset` unfolds; decimals as text, bytes as base64."""
    return _encoder.encode(rows).decode()
