"""Make UUIDv7 ids (RFC 9562), strictly increasing within a process."""

from __future__ import annotations

import os
import struct
import threading
from uuid import UUID, SafeUUID

from trading_portal.kernel import clock

_SEQUENCE_BITS = 12
_SEQUENCE_MASK = (1 << _SEQUENCE_BITS) - 1
_VERSION_AND_VARIANT = 0x7 << 76 | 0b10 << 62
_RANDOM_MASK = (1 << 62) - 1
_TAILS = struct.Struct("=512Q")
# What UUID.__init__ does, without asking again and again which of its arguments was given.
_new = UUID.__new__
_set_int = vars(UUID)["int"].__set__
_set_is_safe = vars(UUID)["is_safe"].__set__
_SAFETY = SafeUUID.unknown


class _Generator:
    """Remember the last time and counter used, so that ids never go backwards, and what is left of random bytes."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a forked child must: it would make its parent's ids again."""
        self._lock = threading.Lock()
        self._last = 0
        self._tails: list[int] = []

    def next(self) -> tuple[int, int]:
        """Return a 60-bit tick, milliseconds then counter, greater than the one before, and 62 random bits."""
        now = clock.milliseconds() << _SEQUENCE_BITS
        with self._lock:
            tick = self._last + 1
            self._last = tick = now if now > tick else tick
            if not self._tails:
                self._tails = list(_TAILS.unpack(os.urandom(_TAILS.size)))
            return tick, self._tails.pop() & _RANDOM_MASK


_generator = _Generator()
os.register_at_fork(after_in_child=_generator.forget)


def uuid7() -> UUID:
    """Return a new UUIDv7, greater than every one this process made before."""
    tick, random_tail = _generator.next()
    return uuid_of(tick >> _SEQUENCE_BITS << 80 | (tick & _SEQUENCE_MASK) << 64 | _VERSION_AND_VARIANT | random_tail)


def uuid_of(number: int) -> UUID:
    """Return the UUID of a number of 128 bits, in a third of the time that UUID(int=...) takes."""
    made = _new(UUID)
    _set_int(made, number)
    _set_is_safe(made, _SAFETY)
    return made
