"""Serve the application with uvicorn, loading it inside the loop: so its heartbeat finds the loop that serves.

uvicorn's own command loads the application before there is a loop. Connections here have the extension `portal.line`,
through which the price hub writes to thousands of them without a coroutine for each frame.
"""

from __future__ import annotations

import argparse
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from trading_portal.running.files import allow_many_files
from trading_portal.running.ports import BACKLOG, bound_socket

# A proxy before the portal may end what is silent for a minute. Whoever does not read is found by the hub much sooner.
PING_SECONDS = 45.0
_SHORT, _MIDDLE = 126, 65_536


class WritableWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket that can be written to at once."""

    def handle_connect(self, event: Any) -> None:
        """Offer the extension to the application, which starts in the next turn of the loop."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["extensions"]["portal.line"] = {"write": self.write, "abort": self.transport.abort}

    def write(self, data: bytes) -> bool:
        """Write a text message; False where the reader has fallen behind or the connection is about to end."""
        if not self.writable.is_set() or self.close_sent or self.conn.state is not State.OPEN:
            return False
        if self.transport.is_closing():
            return False
        size = len(data)
        if size < _SHORT:
            head = bytes((0x81, size))
        elif size < _MIDDLE:
            head = b"\x81\x7e" + size.to_bytes(2)
        else:
            head = b"\x81\x7f" + size.to_bytes(8)
        self.transport.write(head + data)
        return True


class WritableHttp(HttpToolsProtocol):
    """An HTTP connection whose response's body can be written to at once."""

    def on_message_begin(self) -> None:
        """Offer the extension to the application."""
        super().on_message_begin()
        self.scope["extensions"] = {"portal.line": {"write": self.write, "abort": self.transport.abort}}

    def write(self, data: bytes) -> bool:
        """Write a piece of a chunked body; False where that is not what can be written now."""
        cycle = self.cycle
        if not cycle.response_started or not cycle.chunked_encoding or cycle.response_complete or cycle.disconnected:
            return False
        if self.flow.write_paused or self.transport.is_closing():
            return False
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return True


def main() -> None:
    """Serve on one address until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--shared", action="store_true", help="Listen beside other processes on the same port")
    parser.add_argument("application")
    given = parser.parse_args()
    allow_many_files()
    bound = bound_socket(given.host, given.port, is_shared=given.shared)
    uvicorn.Server(configuration(given.application)).run(sockets=[bound])


def configuration(application: Any, **more: Any) -> uvicorn.Config:
    """Return how uvicorn serves here.

    Frames are encoded once for all, so none is compressed for one; and as with daphne, nobody is taken at their word
    for where a request came from.
    """
    return uvicorn.Config(
        application,
        access_log=False,
        log_level="warning",
        lifespan="off",
        http=WritableHttp,
        ws=WritableWebSocket,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=5,
        **more,
    )


if __name__ == "__main__":
    main()
