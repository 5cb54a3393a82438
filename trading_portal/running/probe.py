"""Ask a server of ours whether it still answers, without waiting for it."""

from __future__ import annotations

import errno
import selectors
import socket

from trading_portal.running.ports import HOST

# Sent before any sign-in; whatever comes back, someone is there.
POSTGRES_QUESTION = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"  # SSLRequest
VALKEY_QUESTION = b"PING\r\n"
RETRY_SECONDS = 0.1
PATIENCE_SECONDS = 5.0


class Probe:
    """Connect to a local port now and then, ask, and note whether an answer came."""

    def __init__(self, port: int, question: bytes, *, every: float = 1.0) -> None:
        self.port = port
        self.question = question
        self.every = every
        self._socket: socket.socket | None = None
        self._asked = False
        self._begun_at = self._next_at = 0.0

    def poll(self, at: float) -> bool:
        """Go one step further, never blocking; tell whether an answer arrived in this step."""
        if self._socket is None:
            if at >= self._next_at:
                self._begin(at)
            return False
        readable, writable = self._ready(self._socket)
        try:
            if not self._asked and writable:
                self._socket.send(self.question)
                self._asked = True
            answered = readable and bool(self._socket.recv(1))
        except OSError:
            answered, readable = False, True
        if readable or at > self._begun_at + PATIENCE_SECONDS:
            self.forget()
            self._next_at = at + (self.every if answered else RETRY_SECONDS)
        return answered

    def forget(self) -> None:
        """Drop the question that is under way."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._asked = None, False

    def _begin(self, at: float) -> None:
        self._begun_at = at
        self._next_at = at + RETRY_SECONDS
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        code = self._socket.connect_ex((HOST, self.port))
        if code not in (0, errno.EINPROGRESS):
            self.forget()

    @staticmethod
    def _ready(connection: socket.socket) -> tuple[bool, bool]:
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
            events = sum(mask for _, mask in selector.select(0))
        return bool(events & selectors.EVENT_READ), bool(events & selectors.EVENT_WRITE)
