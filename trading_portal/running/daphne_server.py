"""Serve the application with daphne, whose sends wait for readers that do not read.

Daphne itself buffers without end what a stopped browser does not take; here a send returns when there is room again,
so that whoever sends (the price hub) can conflate for slow readers and drop those that are stuck.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

from daphne.cli import CommandLineInterface
from daphne.server import Server
from twisted.internet.defer import Deferred
from twisted.web import http

from trading_portal.running.files import allow_many_files
from trading_portal.running.ports import BACKLOG, bound_socket

ANSWER_SECONDS = 5.0


class Gate:
    """Stand between an application and one connection's transport: closed while its buffer is full."""

    def __init__(self) -> None:
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def passed(self) -> None:
        """Return when there is room, or no connection any more."""
        await self._has_room.wait()

    # What Twisted calls: it takes a connection's writer for a "push producer" and regulates it.

    def pauseProducing(self) -> None:  # noqa: N802
        """Close: the buffer is full."""
        self._has_room.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        """Open: the buffer is empty again."""
        self._has_room.set()

    def stopProducing(self) -> None:  # noqa: N802
        """Open for good: the connection is gone."""
        self._has_room.set()


class PatientServer(Server):
    """Let the sender of a WebSocket, or of a body in pieces, wait for its reader; forget what was answered at once.

    Daphne keeps each request until it looks through all of them, once a second: at two thousand a second everybody
    else waits meanwhile, for long enough to be noticed.
    """

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """Make an application, and note when it is done."""
        queue = super().create_application(protocol, scope)
        application = self.connections.get(protocol, {}).get("application_instance")
        if application is not None:
            application.add_done_callback(partial(self._forget, protocol))
        return queue

    def _forget(self, protocol: Any, application: asyncio.Future[None]) -> None:
        """Forget a request that was answered; what failed, or is still connected, daphne looks at as ever."""
        if application.cancelled() or application.exception() is not None:
            return
        if "disconnected" in self.connections.get(protocol, {}):
            del self.connections[protocol]

    def kill_all_applications(self) -> Any:
        """Let whoever waits for an answer have it, for as long as uvicorn would; then cancel the rest."""
        answering = [
            details["application_instance"]
            for protocol, details in self.connections.items()
            if "application_instance" in details and not getattr(protocol, "_response_started", True)
        ]
        if not answering:
            return super().kill_all_applications()
        answered = Deferred.fromFuture(asyncio.ensure_future(asyncio.wait(answering, timeout=ANSWER_SECONDS)))
        return answered.addCallback(lambda _: super(PatientServer, self).kill_all_applications())

    def protocol_disconnected(self, protocol: Any) -> None:
        """Note that a connection is gone, unless it was forgotten."""
        if protocol in self.connections:
            super().protocol_disconnected(protocol)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """Pass a message on, and wait for room after it."""
        is_piece = message["type"] == "http.response.body" and message.get("more_body", False)
        gate: Gate | None = getattr(protocol, "gate", None)
        if message["type"] == "http.response.body" and not is_piece and gate is not None:
            protocol.gate = gate = None
            if protocol.channel is not None:
                protocol.unregisterProducer()
        await super().handle_reply(protocol, message)
        if is_piece and gate is None and protocol.channel is not None:
            protocol.gate = gate = Gate()
            protocol.registerProducer(gate, True)
        if message["type"] == "websocket.accept" and protocol.transport is not None:
            protocol.gate = Gate()
            protocol.transport.unregisterProducer()  # the HTTP channel's, which is done with this connection
            protocol.transport.registerProducer(protocol.gate, True)
        elif (is_piece or message["type"] == "websocket.send") and gate is not None:
            await gate.passed()


# Twisted reads a Content-Type as if it were an e-mail's, anew for every request with a body: a fourteenth of what the
# process spends on an order. The few there are it reads once.
vars(http)["_parseContentType"] = lru_cache(maxsize=64)(vars(http)["_parseContentType"])


class PatientCommand(CommandLineInterface):
    """Daphne's own command line, with the patient server, which can share its port with others."""

    server_class = PatientServer

    def __init__(self) -> None:
        super().__init__()
        self.parser.add_argument("--shared", action="store_true", help="Listen beside other processes on the same port")
        self._bound: socket.socket | None = None

    def run(self, args: Sequence[str]) -> None:
        """Serve until stopped."""
        given = self.parser.parse_args(args)
        if given.shared:
            self._bound = bound_socket(given.host, given.port, is_shared=True)
            args = ["-v", f"{given.verbosity}", "--fd", f"{self._bound.fileno()}", given.application]
        super().run(args)

    def load_asgi_app(self, asgi_app_path: str) -> Any:
        """Load the application, and only then listen where others take connections meanwhile."""
        application = super().load_asgi_app(asgi_app_path)
        if self._bound is not None:
            self._bound.listen(BACKLOG)
            self._bound.detach()  # daphne takes its number over, and closes it
        return application


if __name__ == "__main__":
    allow_many_files()
    PatientCommand.entrypoint()
