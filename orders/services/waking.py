"""Tell a venue's worker, after the commit, that there is something to send."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.db import transaction

Waker = Callable[[str], None]


class _Wakers:
    """Hold what wakes a venue; a process that has none leaves it to the sweep."""

    def __init__(self) -> None:
        self.wake: Waker | None = None


_wakers = _Wakers()


def venue_waker_set(wake: Waker | None) -> None:
    """Say how this process wakes a venue's worker."""
    _wakers.wake = wake


def venues_wake_on_commit(venues: Iterable[str]) -> None:
    """Wake each venue once when the transaction has committed; a failure is only logged, the sweep wakes again."""
    for venue in sorted(set(venues)):
        transaction.on_commit(_waking(venue), robust=True)


def _waking(venue: str) -> Callable[[], None]:
    # A function with a name: Django logs what fails by it, and fails itself on a partial, which has none.
    def wake() -> None:
        if _wakers.wake is not None:
            _wakers.wake(venue)

    return wake
