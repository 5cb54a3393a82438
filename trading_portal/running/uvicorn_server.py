"""Serve the application with uvicorn, loading it inside the loop: so its heartbeat finds the loop that serves.

uvicorn's own command loads the application before there is a loop.
"""

from __future__ import annotations

import argparse

import uvicorn


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
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
