"""Run the migrations only when there are any to run, as far as can be told without loading Django."""

from __future__ import annotations

import hashlib

import psycopg

from trading_portal.running import bootstrap
from trading_portal.running.layout import ROOT, DataFolder, read_json, write_json


def are_current(folder: DataFolder, database_url: str) -> bool:
    """Tell whether this database has run what the tree and the packages hold, and nothing has changed since."""
    noted = read_json(folder.path / "migrated.json")
    return bool(noted) and noted == _state(database_url)


def note_current(folder: DataFolder, database_url: str) -> None:
    """Remember what was run, and where."""
    write_json(folder.path / "migrated.json", _state(database_url))


def _state(database_url: str) -> dict[str, object]:
    digest = hashlib.sha256(bootstrap.fingerprint(bootstrap.RUNTIME).encode())
    for file in sorted(ROOT.glob("[a-z]*/migrations/*.py")):
        digest.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return {
        "files": digest.hexdigest(),
        "database": hashlib.sha256(database_url.encode()).hexdigest(),
        "applied": _applied(database_url),
    }


def _applied(database_url: str) -> list[int | None]:
    """Return how many migrations the database has run, and the number of the last."""
    with psycopg.connect(database_url, connect_timeout=10) as connection:
        try:
            row = connection.execute("SELECT count(*), max(id) FROM django_migrations").fetchone()
        except psycopg.errors.UndefinedTable:
            row = None
    return list(row or (0, None))
