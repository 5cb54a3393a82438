"""Tell the supervisor that a process's own loop turns. Without a supervisor this does nothing."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable

from trading_portal.kernel import clock

VARIABLE = "PORTAL_HEARTBEAT"
SECONDS = 1.0


def _inherited_pipe() -> int | None:
    """Return the pipe named as `descriptor:inode`; None where that descriptor is no longer this pipe."""
    descriptor, _, inode = os.environ.get(VARIABLE, "").partition(":")
    with contextlib.suppress(ValueError, OSError):
        found = os.fstat(int(descriptor))
        if stat.S_ISFIFO(found.st_mode) and str(found.st_ino) == inode:
            os.set_inheritable(int(descriptor), False)
            os.set_blocking(int(descriptor), False)
            return int(descriptor)
    return None


class _Sender:
    """Write to the pipe, at most twice a second however fast a loop turns."""

    def __init__(self, pipe: int | None) -> None:
        self.pipe = pipe
        self.next_at = 0.0
        self.conditions: list[Callable[[], bool]] = []

    def send(self) -> None:
        """Write one byte, unless one was written just now."""
        if self.pipe is None or (at := clock.monotonic()) < self.next_at:
            return
        self.next_at = at + SECONDS / 2
        if not all(holds() for holds in self.conditions):
            return
        with contextlib.suppress(OSError):
            os.write(self.pipe, b".")


_sender = _Sender(_inherited_pipe())


def is_supervised() -> bool:
    """Tell whether a supervisor listens."""
    return _sender.pipe is not None


def beat() -> None:
    """Send one heartbeat; call it once in each turn of a loop, at least every few seconds."""
    _sender.send()


def beat_only_while(holds: Callable[[], bool]) -> None:
    """Withhold the heartbeat while a condition does not hold: other loops of this process have a say as well."""
    _sender.conditions.append(holds)
