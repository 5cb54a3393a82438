"""Measure how fast the event log makes every projection again, beside what merely reading the same events costs.

    .venv/bin/python -m bench.rebuild --events 300000

A desk lives through everything that happens to orders, through the services; its accounts' rows and events are then
copied set-wise under fresh ids, in a database of the bench's own, so that no two events of an account lie side by side
(the worst a log can be). The floors read the same columns: COPY with nothing done to them, and the rows as a fold gets
them. Nothing here judges.
"""

from __future__ import annotations

import argparse
import importlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import django
import psycopg

from bench.portal import cpu_seconds, used_between
from bench.report import Report, results_folder
from trading_portal.running.testing import TestServers

AIM = 100_000
COPY = """
COPY (SELECT account_id, account_sequence, xid, sequence, type, version, payload::text, correlation_id, valid_at,
             recorded_at
      FROM audit_event WHERE account_id IS NOT NULL ORDER BY account_id, account_sequence) TO STDOUT
"""
TABLES = (
    "accounts_tradingaccount", "orders_order", "orders_orderversion", "orders_execution", "positions_reservation",
    "positions_holding", "positions_cashbalance", "audit_event",
)  # fmt: skip
# The first half of an id of version 7 is unique to it; the number of the copy takes the place of its last digits.
FUNCTIONS = r"""
CREATE FUNCTION pg_temp.copied(word text, number int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT regexp_replace(word, '([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-)[0-9a-f]{12}',
                          '\1' || lpad(to_hex(number), 12, '0'), 'g')
$$
"""
NUMBER = "'C' || copy_number || '-' || right({}, 8)"
KEPT = {"instrument_id", "user_id", "owner_id", "api_key_id", "causation_id"}


@contextmanager
def database() -> Iterator[str]:
    """Run a PostgreSQL and a Redis for this bench, with the portal's tables; yield the database's address."""
    servers = TestServers()
    servers.start()
    try:
        servers.migrate()
        os.environ.update(servers.environment)
        yield servers.environment["DATABASE_URL"]
    finally:
        servers.stop()


def require_empty(url: str) -> None:
    """Refuse a database that somebody lives in: its accounts would be copied by the thousand."""
    with psycopg.connect(url) as connection:
        if _events(connection):
            raise SystemExit("The database must be empty, its tables made: this bench fills it.")


def server_of(url: str) -> int:
    """Return the process id of the server that answers there."""
    with psycopg.connect(url) as connection:
        backend = Path("/proc") / str(connection.info.backend_pid) / "stat"
        return int(backend.read_text().rpartition(") ")[2].split()[1])


def multiply(url: str, wanted: int) -> int:
    """Copy every row of every account under fresh ids until there are so many events; return how many there are."""
    with psycopg.connect(url, autocommit=True) as connection:
        copies = max(1, wanted // _events(connection) - 1)
        connection.execute(FUNCTIONS)
        for table in TABLES:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            connection.execute(_copying(connection, table), {"copies": copies})
            connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        connection.execute("VACUUM ANALYZE")
        return _events(connection)


def _events(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT count(*) FROM audit_event WHERE account_id IS NOT NULL").fetchone()
    assert row
    return int(row[0])


def _copying(connection: psycopg.Connection[Any], table: str) -> str:
    """Return the statement that copies a table's rows: ids renewed wherever they stand, numbers of its own left out."""
    columns = connection.execute(
        "SELECT attname, format_type(atttypid, NULL), attidentity <> '' FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [table],
    ).fetchall()
    taken = {name: _copied(table, name, kind) for name, kind, is_numbered in columns if not is_numbered}
    order = "ORDER BY original.account_sequence, copy_number" if table == "audit_event" else ""
    return (
        f"INSERT INTO {table} ({', '.join(taken)}) SELECT {', '.join(taken.values())} "
        f"FROM {table} AS original CROSS JOIN generate_series(1, %(copies)s) AS copy_number "
        + ("WHERE original.account_id IS NOT NULL " if table == "audit_event" else "")
        + order
    )


def _copied(table: str, name: str, kind: str) -> str:
    if table == "accounts_tradingaccount" and name == "number":
        return NUMBER.format("original.number")
    if name in KEPT or kind not in ("uuid", "jsonb", "text", "character varying"):
        return f"original.{name}"
    told = f"pg_temp.copied(original.{name}::text, copy_number)"
    if table == "audit_event" and name == "payload":
        # Whose account it is stays as it was.
        owner = "original.payload ->> 'owner_id'"
        told = f"replace({told}, coalesce(pg_temp.copied({owner}, copy_number), ''), coalesce({owner}, ''))::jsonb"
        called = NUMBER.format("(original.payload ->> 'number')")
        told += f" || CASE WHEN original.payload ? 'number' THEN jsonb_build_object('number', {called}) ELSE '{{}}' END"
    return f"({told})::{kind}"


def copied_out(url: str) -> None:
    """Read every event as COPY gives it, and do nothing with it."""
    with psycopg.connect(url) as connection, connection.cursor().copy(COPY) as copy:
        for _ in copy:
            pass


def measured(question: Callable[[], Any], events: int, pids: dict[str, int]) -> tuple[float, dict[str, float]]:
    """Return events a second, and the processor's microseconds an event, PostgreSQL's apart."""
    before, began, own = cpu_seconds(pids), time.perf_counter(), _own()
    question()
    seconds = time.perf_counter() - began
    used = {"python": _own() - own, **used_between(before, cpu_seconds(pids))}
    return events / seconds, {name: spent / events * 1e6 for name, spent in used.items()}


def _own() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def main(args: argparse.Namespace) -> None:
    """Make the log, warm up, run the rounds, hand in the table."""
    # The database's settings name another data folder, which goes when it goes.
    folder = args.folder or results_folder()
    with nullcontext(args.database) if args.database else database() as url:
        require_empty(url)
        os.environ["DATABASE_URL"] = url
        django.setup()
        # It names models, which need the settings of a database that is there by now.
        work = importlib.import_module("bench.rebuild_work")
        work.live()
        events, pids = multiply(url, args.events), {"postgres": server_of(url)}
        questions: dict[str, Callable[[], object]] = {"COPY": lambda: copied_out(url), **work.questions(args.processes)}
        print(f"{events:,} events", flush=True)
        questions["rebuilt"]()
        rates: dict[str, list[float]] = {name: [] for name in questions}
        spent: dict[str, list[dict[str, float]]] = {name: [] for name in questions}
        for number in range(args.rounds):
            print(f"round {number + 1} of {args.rounds} ...", flush=True)
            for name, question in questions.items():
                rate, cpu = measured(question, events, pids)
                rates[name].append(rate)
                spent[name].append(cpu)
        told(events, rates, spent, folder)


def told(events: int, rates: dict[str, list[float]], spent: dict[str, list[dict[str, float]]], folder: Path) -> None:
    """Hand in the figures."""
    report = Report("rebuild", "How fast does the log make the tables again?", settings={"events": events})
    for name, values in rates.items():
        floor = rates.get(name.replace("rebuilt", "rows").replace("compared", "rows"), [])
        is_floor = name == "COPY" or name.startswith("rows")
        report.add(name, values, unit="events/s", floor=() if is_floor else floor, aim=None if is_floor else AIM)
    for name, rounds in spent.items():
        for process in ("python", "postgres"):
            report.add(f"CPU {process}: {name}", [used[process] for used in rounds], unit="µs/event")
    report.finish(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--database", help="an empty database with the portal's tables; one of its own by default")
    parser.add_argument("--folder", type=Path, help="where the results go")
    # `make bench` hands its words to every program; nothing is served here, and no account of its own is needed.
    for word in ("--server", "--seconds", "--accounts"):
        parser.add_argument(word, help=argparse.SUPPRESS)
    main(parser.parse_args())
