"""Spread readers over time, so that no turn of the hub serves all of them at once."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

TURNS_PER_SECOND = 50
MAX_RATE = 10


class Spoke(Protocol):
    """Something that stands at a place of the wheel for good."""

    @property
    def number(self) -> int:
        """Return a number that differs between readers."""
        ...


T = TypeVar("T", bound=Spoke)


class Wheel(Generic[T]):
    """Hold readers in slots; one slot comes up each turn."""

    def __init__(self, turns: int) -> None:
        self._slots: list[dict[T, None]] = [{} for _ in range(turns)]

    def add(self, reader: T, times: int = 1) -> None:
        """Place a reader so that it comes up `times` in a round, evenly, from a place of its own."""
        turns = len(self._slots)
        for occurrence in range(times):
            self._slots[(reader.number + occurrence * turns // times) % turns][reader] = None

    def remove(self, reader: T) -> None:
        """Take a reader out of every slot."""
        for slot in self._slots:
            slot.pop(reader, None)

    def holds(self, reader: T) -> bool:
        """Tell whether a reader has a place."""
        return any(reader in slot for slot in self._slots)

    def due(self, turn: int) -> list[T]:
        """Return who comes up in a turn."""
        return list(self._slots[turn % len(self._slots)])
