"""A wire between a FIX adapter and its venue, to be cut in the middle of whatever runs through it."""

from __future__ import annotations

import contextlib
import socket
import threading


class Wire:
    """Pass bytes both ways between a port of its own and the venue's."""

    def __init__(self, venue_port: int) -> None:
        self._venue_port = venue_port
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._listen()

    def _listen(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._venue_port))
                except OSError:
                    near.close()
                    continue
                self._ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        _close(one, other)

    def cut(self) -> None:
        """End every connection and let none be made."""
        _close(self._listener, *self._ends)
        self._ends.clear()

    def mend(self) -> None:
        """Let connections be made again."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._listen()


def _close(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
