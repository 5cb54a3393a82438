"""Find free ports on the loopback interface, and keep those that were found."""

from __future__ import annotations

import errno
import random
import socket

HOST = "127.0.0.1"
BACKLOG = 2048
# Below the range from which systems take ports for outgoing connections, so that a restart finds its port free.
_RANGE = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Tell whether a server could listen on a local port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def bound_socket(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """Return a socket for a server to listen on; several processes may share a port.

    Linux shares connections out among those that listen. Elsewhere all of them go to one, until it ends.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((host, port))
    bound.setblocking(False)
    return bound


def free_port(preferred: int | None = None) -> int:
    """Return the preferred port while it is free, else a free one taken at random."""
    if preferred and is_free(preferred):
        return preferred
    while True:
        port = random.choice(_RANGE)  # a port is no secret
        if is_free(port):
            return port
