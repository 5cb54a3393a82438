"""Host a venue in a process of its own, to be killed: `python -m orders.tests.host_process <venue>`.

It trades at once unless PORTAL_PAPER_… says otherwise, with the faults that PORTAL_PAPER_… asks for.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import django

os.environ.setdefault("PORTAL_PAPER_LATENCY_MS", "0")
os.environ.setdefault("PORTAL_PAPER_RESTING_MS", "0")
django.setup()

from orders.brokers.paper.broker import PaperBroker  # noqa: E402
from orders.brokers.protocol import VenueOrder  # noqa: E402
from orders.brokers.registry import paper_profile  # noqa: E402
from orders.hosting import host as hosting  # noqa: E402
from orders.hosting import sender  # noqa: E402
from orders.hosting.host import VenueHost  # noqa: E402
from orders.hosting.worker import connections_prepare  # noqa: E402


class Noting(PaperBroker):
    """A paper venue that notes what it is told before it is."""

    async def submit(self, orders: Sequence[VenueOrder]) -> None:
        with Path(sys.argv[2]).open("a") as file:
            file.write("".join(f"{order.order_id}\n" for order in orders))
        await super().submit(orders)


def stop_once(name: str) -> None:
    """Stop this process where an intent is stored and nothing is sent."""
    if name == "venue.after_intent":
        sender.failpoint = lambda _: None
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # this thread first, not after a few more steps


if len(sys.argv) > 2:
    hosting.LEASE_SECONDS, hosting.RENEW_SECONDS, sender.failpoint = 3, 0.5, stop_once
connections_prepare()
stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
venue = sys.argv[1]
broker = Noting if len(sys.argv) > 2 else PaperBroker
host = VenueHost(venue, lambda: broker(venue, paper_profile(venue)))
host.start()
stopping.wait()
host.stop()
