"""Find free ports on the loopback interface, and keep those that were found."""

from __future__ import annotations

import errno
import random
import socket

HOST = "127.0.0.1"
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


def free_port(preferred: int | None = None) -> int:
    """Return the preferred port while it is free, else a free one taken at random."""
    if preferred and is_free(preferred):
        return preferred
    while True:
        port = random.choice(_RANGE)  # a port is no secret
        if is_free(port):
            return port
