"""Keep this process's metrics where one scrape finds those of every process: in files that the supervisor names."""

from __future__ import annotations

import os
from pathlib import Path

import structlog
from prometheus_client import disable_created_metrics, values

from trading_portal.running.metering import FOLDER, NAME

# Room for some thousand series of requests, and for all else there is. What needs more is grown by the library.
SIZES = {"counter": 1 << 16, "gauge_livesum": 1 << 16, "histogram": 1 << 20}

log = structlog.get_logger(__name__)


def share() -> Path | None:
    """Return the folder that all processes share, None where this one keeps its metrics to itself.

    Call it before the first metric is made, for that decides where values are kept.
    """
    disable_created_metrics()
    folder, name = os.environ.get(FOLDER), os.environ.get(NAME)
    if not folder:
        return None
    if not name:
        return Path(folder)  # not our supervisor's: the library names files by the number of the process
    try:
        for kind, size in SIZES.items():
            _reserve(Path(folder) / f"{kind}_{name}.db", size)
    except OSError as error:
        log.warning("metrics.kept_to_itself", process=name, error=str(error))
        values.ValueClass = values.MutexValue
        return Path(folder)
    own = os.getpid()
    # A fork (Celery's beat is one) must not write where its parent does.
    values.ValueClass = values.MultiProcessValue(lambda: name if os.getpid() == own else f"{name}-{os.getpid()}")
    return Path(folder)


def _reserve(file: Path, size: int) -> None:
    """Take a file's pages from the disk now: where they are first touched on a full disk, the process is killed."""
    if file.exists():
        return
    beside = file.with_suffix(".new")
    try:
        beside.write_bytes(bytes(size))
        beside.rename(file)
    finally:
        beside.unlink(missing_ok=True)
