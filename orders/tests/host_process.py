"""Host a venue in a process of its own, to be killed: `python -m orders.tests.host_process <venue> <symbol>`."""

from __future__ import annotations

import signal
import sys
import threading

import django

django.setup()

from orders.brokers.paper.broker import PaperBroker  # noqa: E402
from orders.hosting.host import VenueHost  # noqa: E402
from orders.tests.paper import AT_ONCE  # noqa: E402

stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
venue = sys.argv[1]
host = VenueHost(venue, lambda: PaperBroker(venue, AT_ONCE))
host.start()
stopping.wait()
host.stop()
