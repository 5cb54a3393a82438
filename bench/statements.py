"""What PostgreSQL counts of statements: how many blocks each touches, which no neighbour on the machine can change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

COUNTED = """
SELECT s.queryid, s.query, sum(s.calls), sum(s.shared_blks_hit + s.shared_blks_read), sum(s.total_exec_time)
FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
WHERE d.datname = current_database() AND s.query NOT ILIKE '%%pg_stat_statements%%' AND s.toplevel
GROUP BY 1, 2
"""


@dataclass(frozen=True)
class Counted:
    """How often a statement ran, how many blocks it touched and how many milliseconds it took."""

    query: str
    calls: float
    blocks: float
    milliseconds: float


def counted(database_url: str) -> dict[int, Counted]:
    """Return what was counted so far, by statement."""
    with psycopg.connect(database_url) as connection:
        rows: list[tuple[Any, ...]] = connection.execute(COUNTED).fetchall()
    return {row[0]: Counted(row[1], float(row[2]), float(row[3]), float(row[4])) for row in rows if row[0]}


def since(before: dict[int, Counted], after: dict[int, Counted], per: float) -> dict[int, Counted]:
    """Return what was counted between two looks, divided by how much was done meanwhile."""
    none = Counted("", 0, 0, 0)
    found = {}
    for key, now in after.items():
        was = before.get(key, none)
        if now.calls > was.calls:
            found[key] = Counted(
                now.query,
                (now.calls - was.calls) / per,
                (now.blocks - was.blocks) / per,
                (now.milliseconds - was.milliseconds) / per,
            )
    return found
