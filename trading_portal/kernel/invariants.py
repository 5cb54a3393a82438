"""Name what must always hold, and what would show that it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Invariant:
    """One promise: `sql` (or `program`, where rows alone cannot answer) yields a row for each place it is broken.

    The first column is the trading account. Several checks may share a code, when one cannot cover the promise.
    """

    code: str
    sentence: str
    sql: str = ""
    program: Callable[[], Iterable[tuple[object, ...]]] | None = None

    def __post_init__(self) -> None:
        """Refuse a check that checks nothing, or twice."""
        if bool(self.sql) == (self.program is not None):
            raise ValueError(f"{self.code} takes either SQL or a program.")
