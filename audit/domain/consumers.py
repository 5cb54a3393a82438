"""Describe what reads the log."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from audit.domain.types import EventRecord


@dataclass(frozen=True, slots=True)
class Consumer:
    """One reader of the log, with a cursor of its own.

    `handle` gets events in commit order, at least once each, and must not mind a repeat.
    When it raises Unavailable it is asked again until it can; any other error is retried, then the event is parked.
    A new consumer starts at the beginning of the log, or with `only_new` at its end.
    What it does not want is not read for it: with `types`, events of other types; with `accounts`, which is given the
    accounts that events tell of and returns those it wants, the events of the others and of none. Under load it looks
    for a page no sooner than `rest_seconds` after the last; what comes when nothing was going on it gets at once.
    """

    name: str
    handle: Callable[[Sequence[EventRecord]], None]
    only_new: bool = False
    types: frozenset[str] = frozenset()
    accounts: Callable[[Collection[UUID]], Collection[UUID]] | None = None
    rest_seconds: float = 0.0
