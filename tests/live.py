"""The site as it serves, in threads of the test: both ASGI servers, the relay, and the paper venue."""

from __future__ import annotations

import contextlib
import functools
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
from trading_portal.running.daphne_server import PatientServer
from trading_portal.running.ports import BACKLOG, HOST, bound_socket
from trading_portal.running.uvicorn_server import configuration
from trading_portal.wiring import consumers

SERVERS = ("daphne", "uvicorn")


@contextlib.contextmanager
def serving(server: str) -> Iterator[str]:
    """Serve the site with one of the servers on a free port; yield host:port."""
    if server == "daphne":
        yield _by_daphne()
        return
    with _by_uvicorn() as address:
        yield address


@functools.cache
def _by_daphne() -> str:
    """Serve until the process ends: Twisted's loop, of which a process has one, cannot be started again."""
    bound = bound_socket(HOST, 0)
    bound.listen(BACKLOG)
    address = f"{HOST}:{bound.getsockname()[1]}"
    endpoint = f"fd:fileno={bound.detach()}"
    serves = threading.Event()
    server = PatientServer(
        application, endpoints=[endpoint], signal_handlers=False, verbosity=0, ready_callable=serves.set
    )
    threading.Thread(target=server.run, daemon=True).start()
    assert serves.wait(10)
    return address


@contextlib.contextmanager
def _by_uvicorn() -> Iterator[str]:
    bound = bound_socket(HOST, 0)
    server = uvicorn.Server(configuration(application))
    server.config.timeout_graceful_shutdown = 1
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"{HOST}:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        bound.close()


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
