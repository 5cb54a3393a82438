"""Name what must always hold, and what would show that it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Invariant:
    """One promise: `sql` (or `program`, where rows alone cannot answer) yields one row for each place it is broken.

    Several checks may share a code, when it takes more than one to cover the sentence.
    """

    code: str
    sentence: str
    sql: str = ""
    program: Callable[[], Iterable[tuple[object, ...]]] | None = None

    def __post_init__(self) -> None:
        """Refuse a check that checks nothing, or twice."""
        if bool(self.sql) == (self.program is not None):
            raise ValueError(f"{self.code} takes either SQL or a program.")
