"""The book of a FIX venue for tests: orders and every report of them in SQLite, so that a kill -9 loses nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

Fields = dict[int, str]
TABLES = """
CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS names (name TEXT PRIMARY KEY, number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS reports (
    id INTEGER PRIMARY KEY AUTOINCREMENT, number INTEGER, kind TEXT, fields TEXT NOT NULL, is_sent INTEGER NOT NULL);
"""


@dataclass
class BookedOrder:
    """An order as the venue has it; `name` is the ClOrdID it accepted last, `status` FIX 39."""

    number: int
    partner: str
    name: str
    symbol: str
    side: str
    order_type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal | None
    stop_price: Decimal | None = None
    filled: Decimal = Decimal(0)
    value: Decimal = Decimal(0)
    status: str = "A"

    @property
    def is_open(self) -> bool:
        return self.status in ("A", "0", "1", "7", "9")

    @property
    def leaves(self) -> Decimal:
        return max(self.quantity - self.filled, Decimal(0)) if self.is_open or self.status == "3" else Decimal(0)

    @property
    def average(self) -> Decimal:
        return self.value / self.filled if self.filled else Decimal(0)

    def by_fills(self) -> str:
        if not self.filled:
            return "0"
        return "2" if self.filled >= self.quantity else "1"


class Book:
    """Keep orders, their names and their reports; each `turn` is one transaction."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")  # the process is killed, not the machine
        self._db.executescript(TABLES)

    @contextmanager
    def turn(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def find(self, name: str) -> BookedOrder | None:
        row = self._db.execute(
            "SELECT body FROM orders JOIN names USING (number) WHERE names.name = ?", [name]
        ).fetchone()
        return _order(row[0]) if row else None

    def partner(self, fields: Fields) -> str:
        """Return whose order a report speaks of."""
        order = self.find(fields.get(41, "")) or self.find(fields.get(11, "")) or self.find(fields.get(379, ""))
        return order.partner if order else ""

    def all(self) -> list[BookedOrder]:
        return [_order(row[0]) for row in self._db.execute("SELECT body FROM orders ORDER BY number")]

    def next_number(self) -> int:
        return int(self._db.execute("SELECT coalesce(max(number), 0) + 1 FROM orders").fetchone()[0])

    def save(self, order: BookedOrder, name: str = "") -> None:
        self._db.execute(
            "INSERT INTO orders VALUES (?, ?) ON CONFLICT (number) DO UPDATE SET body = excluded.body",
            [order.number, json.dumps(asdict(order), default=str)],
        )
        if name:
            self._db.execute("INSERT OR IGNORE INTO names VALUES (?, ?)", [name, order.number])

    def report(self, order: BookedOrder, exec_type: str, **more: str | Decimal | None) -> None:
        """Note a report of an order as it now stands; `more` are fields by number: _32="10"."""
        self.note(order.number, exec_type, {
            **order_fields(order), 150: exec_type, 60: now(),
            **{int(key[1:]): number(value) for key, value in more.items() if value is not None},
        })  # fmt: skip

    def note(self, number: int, kind: str, fields: Fields) -> None:
        cursor = self._db.execute(
            "INSERT INTO reports (number, kind, fields, is_sent) VALUES (?, ?, ?, 0)", [number, kind, "{}"]
        )
        if 35 not in fields:
            fields = {35: "8", 17: f"E{cursor.lastrowid}", **fields}
        self._db.execute("UPDATE reports SET fields = ? WHERE id = ?", [json.dumps(fields), cursor.lastrowid])

    def unsent(self) -> list[tuple[int, Fields]]:
        return _reports(self._db.execute("SELECT id, fields FROM reports WHERE is_sent = 0 ORDER BY id"))

    def sent(self, ids: Sequence[int]) -> None:
        self._db.executemany("UPDATE reports SET is_sent = 1 WHERE id = ?", [[each] for each in ids])

    def hold(self, order: BookedOrder) -> None:
        """Keep what is said of an order from being sent, until it is released."""
        self._db.execute("UPDATE reports SET is_sent = 2 WHERE number = ? AND is_sent = 0", [order.number])

    def release(self, order: BookedOrder) -> None:
        self._db.execute("UPDATE reports SET is_sent = 0 WHERE number = ? AND is_sent = 2", [order.number])

    def reports_of(self, order: BookedOrder) -> list[Fields]:
        rows = self._db.execute("SELECT id, fields FROM reports WHERE number = ? ORDER BY id", [order.number])
        return [fields for _, fields in _reports(rows)]

    def trades(self, partner: str) -> list[tuple[str, str, str, str]]:
        """Return a partner's fills, each as (ClOrdID of the order, ExecID, quantity, price)."""
        rows = self._db.execute(
            "SELECT (SELECT name FROM names WHERE names.number = r.number ORDER BY rowid LIMIT 1), fields "
            "FROM reports r WHERE kind = 'F' ORDER BY id"
        )
        found = [(name, _fields(text)) for name, text in rows]
        mine = {order.number for order in self.all() if order.partner == partner}
        return [(name, f[17], f[32], f[31]) for name, f in found if int(f[37].removeprefix("V")) in mine]


def order_fields(order: BookedOrder) -> Fields:
    fields = {
        37: f"V{order.number}", 11: order.name, 55: order.symbol, 54: order.side, 39: order.status,
        38: number(order.quantity), 40: order.order_type, 59: order.time_in_force,
        151: number(order.leaves), 14: number(order.filled), 6: number(order.average),
    }  # fmt: skip
    return fields | ({44: number(order.price)} if order.price is not None else {})


def number(value: object) -> str:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)


def now() -> str:
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


def _order(text: str) -> BookedOrder:
    body: dict[str, Any] = json.loads(text)
    for name in ("quantity", "price", "stop_price", "filled", "value"):
        body[name] = None if body[name] is None else Decimal(body[name])
    return BookedOrder(**body)


def _fields(text: str) -> Fields:
    return {int(key): value for key, value in json.loads(text).items()}


def _reports(rows: Any) -> list[tuple[int, Fields]]:
    return [(row[0], _fields(row[1])) for row in rows]
