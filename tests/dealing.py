"""Deal tests out to the processes that share them: by files, the longest first, and one whole portal for all of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from xdist.scheduler import LoadFileScheduling

# What is looked at in the one whole portal of a session; the last kills one of its processes.
PORTAL = (
    "tests/browser/",
    "tests/test_alpaca_portal.py",
    "tests/test_running_metrics.py",
    "tests/test_running_portal.py",
)
LONGEST = (
    *PORTAL,
    "tests/drills/",
    "tests/test_replay_portal.py",
    "tests/sdk/",
    "orders/tests/test_hosting.py",
    "orders/tests/test_fix_killed.py",
    "tests/test_fix_recovery.py",
    "orders/tests/test_alpaca_broker.py",
    "tests/test_order_machine.py",
    "tests/test_",
)


def sort_longest_first(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that the processes end together; the rest keeps its order."""
    items.sort(key=lambda item: _rank(item.nodeid))


def strangers_to_the_portal(items: Sequence[pytest.Item]) -> list[str]:
    """Return the tests that take the whole portal without standing in PORTAL: each would start one more."""
    return [
        item.nodeid
        for item in items
        if "portal" in getattr(item, "fixturenames", ()) and not item.nodeid.startswith(PORTAL)
    ]


def _rank(nodeid: str) -> int:
    return next((rank for rank, start in enumerate(LONGEST) if nodeid.startswith(start)), len(LONGEST))


class Dealing(LoadFileScheduling):
    """Keep a file's tests together, and all tests of the whole portal."""

    def _split_scope(self, nodeid: str) -> str:
        return "the whole portal" if nodeid.startswith(PORTAL) else str(super()._split_scope(nodeid))
