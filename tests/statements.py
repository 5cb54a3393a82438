"""Count what a piece of work asks of the servers: its SQL statements and commits, and its commands to Redis."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import psycopg
import redis

SIGNS = {"INTO": "+", "UPDATE": "~", "DELETE FROM": "-", "FROM": "<", "JOIN": "<"}
TABLE = re.compile(r"\b(INTO|UPDATE|DELETE FROM|FROM|JOIN) (?:audit|accounts|marketdata|positions|risk|orders)_(\w+)")
# What a connection that was idle is asked before it is used again: it hangs on time, not on the work.
IS_ALIVE = "SELECT 1"
# What answers ask of Redis on whatever thread; threads of Celery's wake venues there meanwhile.
ANSWERING = {"EVALSHA", "MGET"}


@dataclass
class Asked:
    """What was asked, in order: `<order` reads a table, `+order` adds to it, `~order` changes it, `-order` deletes."""

    everything: list[tuple[str, str]] = field(default_factory=list)

    def beyond(self, expected: str) -> list[str]:
        """Return what was asked more often than expected: how often, and what was said of that kind."""
        more = Counter(sign for sign, _ in self.everything) - Counter(expected.split())
        return [
            f"{count} more {sign}: "
            + " | ".join(dict.fromkeys(said[:100] for each, said in self.everything if each == sign))
            for sign, count in more.items()
        ]

    def note_sql(self, query: Any) -> None:
        said = " ".join(str(query).split())
        if said != IS_ALIVE:
            first = TABLE.search(said)
            self.everything.append((SIGNS[first[1]] + first[2] if first else said.split()[0], said))

    def note_redis(self, command: str) -> None:
        self.everything.append((command, f"{command} of Redis"))


@contextmanager
def asked(*, on_any_thread: bool = False) -> Iterator[Asked]:
    """Note what this thread asks of any server while this is open, or what any thread does."""
    seen, mine = Asked(), threading.get_ident()
    execute, many, commit = psycopg.Cursor.execute, psycopg.Cursor.executemany, psycopg.Connection.commit
    command = redis.Redis.execute_command

    def counts(redis_command: str = "") -> bool:
        is_mine = threading.get_ident() == mine
        return is_mine or (on_any_thread and (not redis_command or redis_command in ANSWERING))

    def execute_noted(cursor: Any, query: Any, *given: Any, **options: Any) -> Any:
        if counts():
            seen.note_sql(query)
        return execute(cursor, query, *given, **options)

    def many_noted(cursor: Any, query: Any, rows: Any, **options: Any) -> Any:
        rows = list(rows)
        for _ in rows if counts() else ():
            seen.note_sql(query)
        return many(cursor, query, rows, **options)

    def commit_noted(connection: Any) -> None:
        if counts():
            seen.note_sql("COMMIT")
        commit(connection)

    def command_noted(client: Any, *given: Any, **options: Any) -> Any:
        if counts(str(given[0])):
            seen.note_redis(str(given[0]))
        return command(client, *given, **options)

    with ExitStack() as patches:
        patches.enter_context(patch.object(psycopg.Cursor, "execute", execute_noted))
        patches.enter_context(patch.object(psycopg.Cursor, "executemany", many_noted))
        patches.enter_context(patch.object(psycopg.Connection, "commit", commit_noted))
        patches.enter_context(patch.object(redis.Redis, "execute_command", command_noted))
        yield seen
