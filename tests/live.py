"""The site as it serves, in threads of the test: an ASGI server, the relay, and the paper venue."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import uvicorn

from audit.relay import Relay
from orders.domain.facts import PAPER_VENUE
from orders.hosting.host import VenueHost
from orders.services import venue_waker_set
from orders.tests.paper import AT_ONCE, PaperBroker
from trading_portal.asgi import application
from trading_portal.running.uvicorn_server import configuration
from trading_portal.wiring import consumers


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Serve the site on a free port; yield host:port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = configuration(application)
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@contextlib.contextmanager
def relaying() -> Iterator[None]:
    """Hand committed events to their consumers, as the relay process does."""
    relay = Relay(consumers(), beat=lambda: None)
    thread = threading.Thread(target=relay.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        relay.stop()
        thread.join(10)


@contextlib.contextmanager
def trading() -> Iterator[VenueHost]:
    """Carry orders to the paper venue and back, as the venue's worker does."""
    host = VenueHost(PAPER_VENUE, lambda: PaperBroker(PAPER_VENUE, AT_ONCE))
    host.start()
    venue_waker_set(lambda _venue: host.wake())
    try:
        yield host
    finally:
        venue_waker_set(None)
        host.stop()
