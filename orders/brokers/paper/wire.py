"""Carry a paper venue's reports to us, with the faults that its profile asks for."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import count
from random import Random

from orders.brokers.paper.profile import Faults
from orders.domain.reports import VenueReport


class Wire:
    """Drop, double, hold back or pass on reports; monotonic seconds are passed in. One thread only."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._random = Random(faults.seed)  # noqa: S311 - faults must be repeatable, not secret
        self._held: list[tuple[float, int, VenueReport]] = []
        self._numbers = count()
        self._is_sound = not (faults.drop or faults.duplicate or faults.reorder or faults.delay)

    @property
    def next_due_at(self) -> float | None:
        """Return when the next report that is held back arrives."""
        return self._held[0][0] if self._held else None

    def carry(self, reports: Sequence[VenueReport], at: float) -> Sequence[VenueReport]:
        """Return what arrives now: of the new reports, and of those held back before."""
        if self._is_sound:
            return reports
        arriving = [report for report in reports if self._passes(report, at)]
        return arriving + self._due(at)

    def flush(self) -> Sequence[VenueReport]:
        """Return everything that is held back: the connection ends in order."""
        held, self._held = sorted(self._held), []
        return [report for _, _, report in held]

    def _due(self, at: float) -> list[VenueReport]:
        due: list[VenueReport] = []
        while self._held and self._held[0][0] <= at:
            due.append(heapq.heappop(self._held)[2])
        return due

    def _passes(self, report: VenueReport, at: float) -> bool:
        """Tell whether a report arrives now; a second copy, or one held back, arrives later."""
        faults, chance = self._faults, self._random.random
        if chance() < faults.drop:
            return False
        if chance() < faults.duplicate:
            self._hold(report, at + self._random.uniform(0, faults.reorder_seconds))
        if chance() < faults.delay:
            self._hold(report, at + faults.delay_seconds)
            return False
        if chance() < faults.reorder:
            self._hold(report, at + self._random.uniform(0, faults.reorder_seconds))
            return False
        return True

    def _hold(self, report: VenueReport, until: float) -> None:
        heapq.heappush(self._held, (until, next(self._numbers), report))
