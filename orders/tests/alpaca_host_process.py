"""Host an Alpaca venue in a process of its own, to be killed: `<venue> <address>`."""

from __future__ import annotations

import signal
import sys
import threading

import django

django.setup()

from orders.brokers.alpaca.broker import AlpacaBroker  # noqa: E402
from orders.hosting.host import VenueHost  # noqa: E402
from orders.tests.alpaca_venue import profile_at  # noqa: E402

stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
venue, address = sys.argv[1:]
host = VenueHost(venue, lambda: AlpacaBroker(venue, profile_at(address)))
host.start()
stopping.wait()
host.stop()
