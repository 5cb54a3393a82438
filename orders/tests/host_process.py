"""Host a venue in a process of its own, to be killed: `python -m orders.tests.host_process <venue>`.

It trades at once unless PORTAL_PAPER_… says otherwise, with the faults that PORTAL_PAPER_… asks for.
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

stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
venue = sys.argv[1]
host = VenueHost(venue, lambda: PaperBroker(venue, paper_profile(venue)))
host.start()
stopping.wait()
host.stop()
