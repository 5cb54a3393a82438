"""Make UUIDv7 ids (RFC 9562), strictly increasing within a process."""

from __future__ import annotations

import os
import threading
from uuid import UUID

from trading_portal.kernel import clock

_SEQUENCE_BITS = 12
_SEQUENCE_MASK = (1 << _SEQUENCE_BITS) - 1


class _Generator:
    """Remember the last time and counter used, so that ids never go backwards."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next_tick(self) -> int:
        """Return a 60-bit value, milliseconds then counter, greater than the one before."""
        milliseconds = int(clock.now().timestamp() * 1000)
        with self._lock:
            self._last = max(self._last + 1, milliseconds << _SEQUENCE_BITS)
            return self._last


_generator = _Generator()


def uuid7() -> UUID:
    """Return a new UUIDv7, greater than every one this process made before."""
    tick = _generator.next_tick()
    milliseconds, sequence = tick >> _SEQUENCE_BITS, tick & _SEQUENCE_MASK
    random_tail = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | sequence << 64 | 0b10 << 62 | random_tail)
