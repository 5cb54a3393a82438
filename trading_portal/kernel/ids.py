"""Make UUIDv7 ids (RFC 9562), strictly increasing within a process."""

from __future__ import annotations

import os
import threading
from uuid import UUID, SafeUUID

from trading_portal.kernel import clock

_SEQUENCE_BITS = 12
_SEQUENCE_MASK = (1 << _SEQUENCE_BITS) - 1
_VERSION_AND_VARIANT = 0x7 << 76 | 0b10 << 62
_RANDOM_BYTES = 8
_RANDOM_MASK = (1 << 62) - 1
_RANDOM_AT_ONCE = 512 * _RANDOM_BYTES


class _Generator:
    """Remember the last time and counter used, so that ids never go backwards, and what is left of random bytes."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a forked child must: it would make its parent's ids again."""
        self._lock = threading.Lock()
        self._last = 0
        self._random = b""
        self._used = 0

    def next(self) -> tuple[int, int]:
        """Return a 60-bit tick, milliseconds then counter, greater than the one before, and 62 random bits."""
        now = clock.milliseconds() << _SEQUENCE_BITS
        with self._lock:
            self._last = max(self._last + 1, now)
            if self._used >= len(self._random):
                self._random, self._used = os.urandom(_RANDOM_AT_ONCE), 0
            tail = self._random[self._used : self._used + _RANDOM_BYTES]
            self._used += _RANDOM_BYTES
            return self._last, int.from_bytes(tail, "big") & _RANDOM_MASK


_generator = _Generator()
os.register_at_fork(after_in_child=_generator.forget)


def uuid7() -> UUID:
    """Return a new UUIDv7, greater than every one this process made before."""
    tick, random_tail = _generator.next()
    made = UUID.__new__(UUID)
    # What UUID(int=...) does, without asking again and again which of its arguments was given.
    number = tick >> _SEQUENCE_BITS << 80 | (tick & _SEQUENCE_MASK) << 64 | _VERSION_AND_VARIANT | random_tail
    object.__setattr__(made, "int", number)
    object.__setattr__(made, "is_safe", SafeUUID.unknown)
    return made
