"""Serve the application with uvicorn, which loads it before its loop runs, and beat from that loop."""

from __future__ import annotations

import argparse
import socket

import uvicorn

from trading_portal.running.heartbeat import start_asyncio_heartbeat


class BeatingServer(uvicorn.Server):
    """Beat as long as the loop that serves turns."""

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the heartbeat, then serve."""
        start_asyncio_heartbeat()
        await super().serve(sockets)


def main() -> None:
    """Serve on one address until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("application")
    given = parser.parse_args()
    config = uvicorn.Config(
        given.application,
        host=given.host,
        port=given.port,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=5,
    )
    BeatingServer(config).run()


if __name__ == "__main__":
    main()
