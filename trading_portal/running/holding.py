"""Hold a data folder: one supervisor at a time, and nothing left over of one that was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import signal
import time
from collections.abc import Iterator
from typing import Any

from trading_portal.running import processes
from trading_portal.running.layout import DataFolder, read_json, require_writable, user_name, write_json
from trading_portal.running.problems import Problem

SECRETS = ("secret_key", "postgres_password", "owner_password", "valkey_password", "metrics_token")


class AlreadyRunning(Exception):
    """Say that another supervisor holds this data folder."""


def prepare(folder: DataFolder) -> None:
    """Make the data folder, for its owner's eyes."""
    require_writable(folder.path, "The data folder", "PORTAL_DATA_DIR=~/portal-data make run")
    # As root, PostgreSQL runs as another user, who must be able to pass through; the files stay private.
    if folder.path.stat().st_uid == os.geteuid():
        folder.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    require_writable(folder.logs, "The folder for logs", "PORTAL_DATA_DIR=~/portal-data make run")
    me = os.geteuid()
    for entry in folder.path.iterdir() if me else ():
        if (owner := entry.stat().st_uid) != me:
            raise Problem(
                f"{entry} belongs to {user_name(owner)}: the portal ran as another user before.",
                f"sudo chown -R {user_name(me)} {folder.path}",
                "or elsewhere:  PORTAL_DATA_DIR=~/portal-data make run",
            )


@contextlib.contextmanager
def held(folder: DataFolder) -> Iterator[None]:
    """Hold the data folder's lock; raise AlreadyRunning when another supervisor holds it."""
    with folder.lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning from None
        yield


def is_held(folder: DataFolder) -> bool:
    """Tell whether a supervisor holds the data folder."""
    if not folder.lock.exists():
        return False
    try:
        with held(folder):
            return False
    except AlreadyRunning:
        return True


def clear_leftovers(folder: DataFolder) -> int:
    """End what a killed supervisor left running, servers apart; return how many there were."""
    recorded = [who for who in read_json(folder.supervisor).get("processes", {}).values() if processes.is_alive(who)]

    def found() -> list[int]:
        mine = {int(who[0]) for who in recorded if processes.is_alive(who)}
        return sorted(mine | set(processes.marked(str(folder.path))))

    count = len(found())
    if count and not processes.end(found, politely=signal.SIGTERM):
        raise Problem(f"Processes of an earlier run cannot be ended: {found()}.", "end them by hand, then: make run")
    return count


def read_secrets(folder: DataFolder) -> dict[str, Any]:
    """Return the folder's secrets and ports, making the secrets once."""
    known = read_json(folder.secrets)
    missing = {name: secrets.token_urlsafe(36) for name in SECRETS if name not in known}
    if missing:
        known = {**known, **missing}
        write_json(folder.secrets, known)
    return known


def remember(folder: DataFolder, **facts: object) -> None:
    """Keep facts beside the secrets: ports, the cluster's place."""
    known = read_json(folder.secrets)
    if any(known.get(name) != value for name, value in facts.items()):
        write_json(folder.secrets, {**known, **facts})


def _supervisor(folder: DataFolder) -> list[Any] | None:
    """Return who holds the data folder, None when it was let go meanwhile."""
    deadline = time.monotonic() + 5
    while is_held(folder):
        who: list[Any] = read_json(folder.supervisor).get("supervisor", [])
        if processes.is_alive(who):
            return who
        if time.monotonic() > deadline:
            raise Problem(f"{folder.lock} is held, but its holder does not say who it is.", f"lsof {folder.lock}")
        time.sleep(0.05)
    return None


def end_supervisor(folder: DataFolder, *, seconds: float = 40.0) -> bool:
    """Ask the supervisor to stop and wait until it has; kill it when it takes too long. Tell whether one ran."""
    if not is_held(folder):
        return False
    who = _supervisor(folder)
    if who is None:
        return True
    pid = int(who[0])
    with contextlib.suppress(ProcessLookupError):
        try:
            os.kill(pid, signal.SIGTERM)
        except PermissionError:
            raise Problem(f"The portal runs as another user (pid {pid}).", "sudo make stop") from None
    deadline = time.monotonic() + seconds
    while is_held(folder) and processes.is_alive(who):
        if time.monotonic() > deadline:
            processes.send([pid], signal.SIGKILL)
            deadline += seconds
        time.sleep(0.05)
    return True
