"""Let a process hold as many connections as the system allows it: each is an open file."""

from __future__ import annotations

import resource
import sys

FEW = 4096
MANY = 1_048_576


def allow_many_files() -> int:
    """Raise this process's limit of open files as far as it may; say so where that is not far; return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in ((MANY, max(hard, MANY)), (MANY, hard), (hard, hard), (10_240, hard)):
        # A superuser may go past the hard limit; macOS says that there is none, and yet refuses more than its own.
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, wanted)
            break
        except (ValueError, OSError):
            continue
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < FEW:
        sys.stderr.write(
            f"This process may open {soft} files, so it holds about that many connections; "
            "raise the limit with `ulimit -n`, or LimitNOFILE in a systemd unit.\n"
        )
    return soft
