"""Install Debian packages for tests, where this is Debian and we are root; no service of theirs is started."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from trading_portal.running import bootstrap

SECONDS = 600
# What Debian asks before it starts a service that was just installed; 101 says no.
POLICY = Path("/usr/sbin/policy-rc.d")


def can_install() -> bool:
    """Tell whether a package could be installed here."""
    return os.geteuid() == 0 and bootstrap.find_program("apt-get") is not None


def install(*names: str) -> bool:
    """Install packages; tell whether they are here now."""
    if not can_install():
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _one_at_a_time(), _services_held():
        return all(
            runs(["apt-get", *arguments], environment)
            for arguments in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *names])
        )


def runs(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Tell whether a command could be run and ended well."""
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Wait for another test process that installs: apt does not."""
    with (Path(tempfile.gettempdir()) / "portal-packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _services_held() -> Iterator[None]:
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)
