"""Host a FIX venue in a process of its own, to be killed: `python -m orders.tests.fix_host_process <json>`."""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path

import django
import msgspec

django.setup()

from orders.brokers.fix.broker import FixBroker  # noqa: E402
from orders.brokers.fix.profile import FixProfile  # noqa: E402
from orders.hosting.host import VenueHost  # noqa: E402

stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
told = json.loads(sys.argv[1])
profile = msgspec.convert(told["profile"], FixProfile)
host = VenueHost(told["venue"], lambda: FixBroker(told["venue"], profile, Path(told["root"])))
host.start()
stopping.wait()
host.stop()
