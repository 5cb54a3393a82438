"""Host a venue in processes of their own, to be killed: `python -m orders.tests.host_process <venue> [<how many>]`.

It trades at once unless PORTAL_PAPER_… says otherwise, with the faults that PORTAL_PAPER_… asks for. Of several hosts
one holds the venue and the others wait for it to fall.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

import django

os.environ.setdefault("PORTAL_PAPER_LATENCY_MS", "0")
os.environ.setdefault("PORTAL_PAPER_RESTING_MS", "0")
django.setup()

from orders.brokers.paper.broker import PaperBroker  # noqa: E402
from orders.brokers.registry import paper_profile  # noqa: E402
from orders.hosting.host import VenueHost  # noqa: E402


def run(venue: str) -> None:
    """Host until told to stop."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    host = VenueHost(venue, lambda: PaperBroker(venue, paper_profile(venue)))
    host.start()
    stopping.wait()
    host.stop()


venue, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
is_parent = all(os.fork() for _ in range(count - 1))  # what is loaded is loaded once; nothing runs yet
run(venue)
if is_parent:
    for _ in range(count - 1):
        os.wait()
