"""Fill a portal's tables with history: orders that went their whole way, multiplied set-wise, and accounts beside them.

Real orders are the pattern. Each of their rows is copied with ids, times and numbers of its own, through the schema's
constraints and triggers. Copies lie in the past: the relay has gone by them, and no venue waits for them. They fill the
log and the books; what an account holds and owns stays as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from bench.load import connect
from bench.orders import market_buys, resting_never
from bench.portal import BenchPortal

CHUNK = 25_000
# One order in so many was filled; the others ended without a fill.
FILLED_OF = 4

SCHEMA = """
DROP SCHEMA IF EXISTS bench CASCADE;
CREATE SCHEMA bench;
CREATE TABLE bench.pattern (id uuid PRIMARY KEY, is_filled boolean NOT NULL, events bigint NOT NULL);
CREATE TABLE bench.crowd (number bigint PRIMARY KEY, account_id uuid NOT NULL);
CREATE TABLE bench.copy (
    number bigint PRIMARY KEY, pattern uuid NOT NULL, id uuid NOT NULL, account_id uuid NOT NULL,
    back interval NOT NULL, events_before bigint NOT NULL, events bigint NOT NULL);
"""
PATTERN = """
INSERT INTO bench.pattern
SELECT o.id, o.filled_quantity > 0, (SELECT count(*) FROM audit_event e WHERE e.stream = 'order:' || o.id)
FROM orders_order o WHERE o.id = ANY(%s)
"""
# The copies of one chunk: who each is, whose, how long ago, and how many of its account's events come before its own.
COPIES = """
INSERT INTO bench.copy
SELECT made.number, p.id, uuidv7(-made.back), made.account_id, made.back,
    sum(p.events) OVER (PARTITION BY made.account_id ORDER BY made.number) - p.events, p.events
FROM (
    SELECT n AS number, crowd.account_id, interval '1 hour' + random() * interval '30 days' AS back
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
    JOIN bench.crowd ON crowd.number = n %% (SELECT count(*) FROM bench.crowd)) AS made
JOIN bench.pattern p ON p.is_filled = (made.number %% %(filled_of)s = 0)
"""
NAMED = "t.{column} || '-' || c.number"
OWN = "md5(t.{column}::text || c.number)::uuid"
# Of each table: the column that names the order, and what a copy says in place of what its pattern says. Beside these,
# an account is the copy's own, and times lie back as far as the copy does.
# An empty text leaves a column to the database.
ORDER_TABLES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "orders_order": ("id", {"client_order_id": "c.id::text", "venue_order_id": "c.id::text"}),
    "orders_venueintent": ("order_id", {"id": ""}),
    "orders_execution": ("order_id", {"id": OWN, "exec_id": NAMED}),
    "orders_recordedreport": ("order_id", {"exec_id": NAMED}),
    "orders_paperorder": ("order_id", {}),
    # Below every number that the venue gave: its drop copy was read long ago.
    "orders_paperreport": ("order_id", {"id": "-(c.number * 1000 + t.id % 1000)", "exec_id": NAMED}),
    "risk_decision": ("order_id", {}),
    "positions_ledgerline": ("reference_id", {"id": "uuidv7(-c.back)", "transaction_id": OWN}),
}
EVENT = {
    "id": "uuidv7(-c.back)",
    "stream": "'order:' || c.id",
    "correlation_id": "c.id",
    "account_sequence": "a.event_sequence + c.events_before + t.sequence",
}
SEQUENCES = """
UPDATE accounts_tradingaccount a SET event_sequence = event_sequence + took.events
FROM (SELECT account_id, sum(events) AS events FROM bench.copy GROUP BY account_id) took WHERE a.id = took.account_id
"""
# Another each time, for a database may have been filled before.
NAME = "'BC-' || left(md5(c.account_id::text), 16)"
# An account's rows, by the column that names it. Its key signs with the same secret under a name of its own.
ACCOUNT_TABLES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "accounts_tradingaccount": ("id", {"number": NAME, "event_sequence": "0"}),
    "accounts_apikey": ("account_id", {"id": "uuidv7()", "key_id": NAME}),
    "positions_cashbalance": ("account_id", {"id": ""}),
    "risk_limit": ("account_id", {"id": "uuidv7()"}),
    "risk_ordercount": ("account_id", {}),
}
ACCOUNT_COPIES = """
INSERT INTO bench.copy
SELECT n, %(pattern)s, account_id, account_id, interval '0', 0, 0
FROM (SELECT n, uuidv7() AS account_id FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n) AS made
"""


COLUMNS = """
SELECT a.attname, y.typname FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum
"""
# Whose sequence a copy goes on from; a copied account's is its pattern's, as its own is not there yet.
HOLDER = {False: "c.account_id", True: "c.pattern"}
PASSED_SECONDS = 0.5


class Filling:
    """Fills one portal's tables; counts what is there."""

    def __init__(self, portal: BenchPortal) -> None:
        self._portal = portal
        self._connection = psycopg.connect(portal.facts["database_url"], autocommit=True)
        self._next = 1

    async def prepare(self) -> None:
        """Place the orders that are the pattern: one that ends without a fill and one that fills."""
        client = await connect(self._portal.facts["url"])
        asked = resting_never(self._portal), market_buys(self._portal, self._portal.keys)
        placed = []
        for requests in asked:
            status, body = await client.ask(next(requests))
            if status != 200:
                raise RuntimeError(f"a pattern was answered {status}: {body.decode(errors='replace')[:400]}")
            placed.append(body[body.index(b'"id":"') + 6 :][:36].decode())
        client.close()
        await self._ended(placed)
        self._run(SCHEMA)
        self._run(PATTERN, [placed])
        for table, (key, _) in ORDER_TABLES.items():
            self._keep(table, f"t.{key}", "SELECT id FROM bench.pattern")
        self._keep(
            "audit_event", "t.stream", "SELECT 'order:' || id AS id FROM bench.pattern", shown="substr({}, 7)::uuid"
        )
        self._join([row[0] for row in self._all("SELECT account_id FROM accounts_apikey WHERE name = 'bench'")])

    def orders(self) -> int:
        """Return how many orders are stored."""
        return int(self._all("SELECT count(*) FROM orders_order")[0][0])

    def accounts(self) -> int:
        """Return how many accounts are stored."""
        return int(self._all("SELECT count(*) FROM accounts_tradingaccount")[0][0])

    def fill_orders(self, size: int) -> None:
        """Copy patterns until so many orders are stored, over all accounts of the crowd."""
        while (missing := size - self.orders()) > 0:
            last = self._next + min(missing, CHUNK) - 1
            with self._connection.transaction():
                self._run("TRUNCATE bench.copy")
                self._run(COPIES, {"first": self._next, "last": last, "filled_of": FILLED_OF})
                self._run("ANALYZE bench.copy")
                for table, (key, changes) in ORDER_TABLES.items():
                    self._copy(table, {key: "c.id", "correlation_id": "c.id", **changes})
                self._copy("audit_event", EVENT)
                self._run(SEQUENCES)
            self._next = last + 1

    def fill_accounts(self, size: int) -> None:
        """Copy one of the crowd's accounts until so many are stored."""
        missing = size - self.accounts()
        if missing <= 0:
            return
        pattern = self._all("SELECT account_id FROM bench.crowd WHERE number = 0")[0][0]
        for table, (key, _) in ACCOUNT_TABLES.items():
            self._keep(table, f"t.{key}", "SELECT account_id AS id FROM bench.crowd WHERE number = 0")
        with self._connection.transaction():
            self._run("TRUNCATE bench.copy")
            self._run(ACCOUNT_COPIES, {"pattern": pattern, "first": self._next, "last": self._next + missing - 1})
            for table, (key, changes) in ACCOUNT_TABLES.items():
                self._copy(table, {key: "c.account_id", **changes})
        self._next += missing

    def settle(self) -> None:
        """Bring statistics and visibility up to date, as a running database does by itself in time."""
        for table in (*ORDER_TABLES, *ACCOUNT_TABLES, "audit_event"):
            self._run(f"VACUUM (ANALYZE) {table}")

    def close(self) -> None:
        """Take away what is not the portal's."""
        self._run("DROP SCHEMA IF EXISTS bench CASCADE")
        self._connection.close()

    async def _ended(self, order_ids: Sequence[str]) -> None:
        """Wait until orders have ended and the relay has gone by them."""
        for _ in range(100):
            ended = self._all(
                "SELECT count(*) FROM orders_order WHERE id::text = ANY(%s) AND is_closed", [list(order_ids)]
            )
            if ended[0][0] == len(order_ids):
                await asyncio.sleep(PASSED_SECONDS)
                return
            await asyncio.sleep(0.1)
        raise RuntimeError("the pattern's orders did not end")

    def _join(self, account_ids: Sequence[Any]) -> None:
        """Let accounts have copies."""
        self._run(
            "INSERT INTO bench.crowd SELECT n - 1, id FROM unnest(%s::uuid[]) WITH ORDINALITY AS new(id, n)",
            [list(account_ids)],
        )

    def _keep(self, table: str, key: str, patterns: str, *, shown: str = "{}") -> None:
        """Keep a table's rows of the patterns aside: not every table is indexed by what names an order."""
        self._run(f"DROP TABLE IF EXISTS bench.{table}")
        self._run(
            f"CREATE TABLE bench.{table} AS SELECT {shown.format(key)} AS its_pattern, t.* FROM {table} t"
            f" JOIN ({patterns}) p ON p.id = {key}"
        )

    def _copy(self, table: str, changes: Mapping[str, str]) -> None:
        """Copy a table's rows of the patterns, for every line of bench.copy."""
        told = {}
        for column, kind in self._all(COLUMNS, [table]):
            own = changes.get(column)
            if own is None:
                told[column] = _same(column, kind)
            elif own:
                told[column] = own.format(column=column)
        self._run(
            f"INSERT INTO {table} ({', '.join(told)}) SELECT {', '.join(told.values())} FROM bench.copy c"
            f" JOIN bench.{table} t ON t.its_pattern = c.pattern"
            f" JOIN accounts_tradingaccount a ON a.id = {HOLDER[table in ACCOUNT_TABLES]}"
        )

    def _run(self, statement: str, values: Sequence[Any] | Mapping[str, Any] | None = None) -> None:
        self._connection.execute(statement, values)

    def _all(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()


def _same(column: str, kind: str) -> str:
    """Return what a copy says where nothing else is said: the same, or the same so much earlier."""
    if column == "account_id":
        return "c.account_id"
    return f"t.{column} - c.back" if kind == "timestamptz" else f"t.{column}"
