"""Die on purpose, at a named point: how drills prove that a crash there loses nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

_FOLDER = os.environ.get("PORTAL_FAILPOINTS")


def failpoint(name: str) -> None:
    """Kill this process with -9 when a drill has armed this point; do nothing otherwise.

    A drill arms a point by writing how many passes to let by into PORTAL_FAILPOINTS/<name>;
    the file is taken away before the kill, so that the restarted process lives.
    """
    if _FOLDER is None:
        return
    armed = Path(_FOLDER) / name
    try:
        passes_left = int(armed.read_text() or 0)
    except (FileNotFoundError, ValueError):
        return
    if passes_left > 0:
        armed.write_text(str(passes_left - 1))
        return
    armed.unlink(missing_ok=True)
    os.kill(os.getpid(), signal.SIGKILL)
