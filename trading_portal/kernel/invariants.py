"""Name what must always hold, and what would show that it does not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Invariant:
    """One promise: `sql` (or `program`, where rows alone cannot answer) yields a row for each place it is broken.

    The first column is the trading account. Several checks may share a code, when one cannot cover the promise. A
    program is given the accounts to look at; none means all.
    """

    code: str
    sentence: str
    sql: str = ""
    program: Callable[[Collection[UUID]], Iterable[tuple[object, ...]]] | None = None

    def __post_init__(self) -> None:
        """Refuse a check that checks nothing, or twice."""
        if bool(self.sql) == (self.program is not None):
            raise ValueError(f"{self.code} takes either SQL or a program.")


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table whose rows the log must be able to make again.

    `columns` says how SQL reads each column that is compared, `source` where from: FROM and WHERE, with one parameter,
    the accounts' ids. `key` names a row among those of its account, `owner` the account; `documents` are read as JSON.
    """

    kind: str
    key: tuple[str, ...]
    columns: Mapping[str, str]
    source: str
    owner: str = "account_id"
    documents: frozenset[str] = frozenset()

    @property
    def sql(self) -> str:
        """Return the statement that reads the rows of accounts, each with its account before its columns."""
        return f"SELECT {self.owner}, {', '.join(self.columns.values())} {self.source}"


def columns_of(alias: str, names: str, **written: str) -> dict[str, str]:
    """Return how SQL reads columns of a table, where not by their own name then as written."""
    return {name: written.get(name) or f"{alias}.{name}" for name in [*names.split(), *written]}
