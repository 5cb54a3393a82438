"""Listen for partners, and serve each on a connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from pathlib import Path

import structlog
from django.db import DatabaseError, InterfaceError

from accounts.api.pool import in_pool
from orders.gateways.fix.connection import RECOVER, STOPPING, Connection, House
from orders.gateways.fix.line import Line
from orders.services.fix_sessions import fix_cancels_due, fix_sessions_recover
from orders.services.queue import PlacementQueue
from trading_portal.kernel import clock

CONNECTIONS = 1_000
STOP_SECONDS = 5.0
SWEEP_SECONDS = 0.5

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Listening:
    """Where partners are listened for, and under which name; with a certificate, TLS alone is spoken."""

    host: str
    port: int
    comp_id: str
    certificate: Path | None = None
    key: Path | None = None


class FixServer:
    """Serve partners until stopped. One process serves a database: it closes what a killed one left open."""

    def __init__(self, listening: Listening, queue: PlacementQueue) -> None:
        self._listening = listening
        self._house = House(listening.comp_id, queue)
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let every partner be told, and end."""
        self._stopping.set()

    async def run(self) -> None:
        """Listen and sweep until stopped, then log everybody out."""
        left = await self._recover()
        server = await asyncio.start_server(
            self._accept, self._listening.host, self._listening.port, ssl=_tls(self._listening)
        )
        log.info("fix.listening", host=self._listening.host, port=self._listening.port, sessions_left_open=left)
        async with server:
            while not self._stopping.is_set():
                await self._sweep()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SWEEP_SECONDS):
                        await self._stopping.wait()
        await self._say_goodbye()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= CONNECTIONS:
            writer.close()
            return
        connection = Connection(self._house, Line(reader, writer))
        task = asyncio.current_task()
        assert task is not None
        self._connections[connection] = task
        try:
            await connection.run()
        except Exception:
            log.exception("fix.connection_failed")
        finally:
            del self._connections[connection]

    async def _sweep(self) -> None:
        """Cancel the orders of sessions that went away and wanted that."""
        try:
            await self._recover()
            await in_pool(fix_cancels_due, at=clock.now())
        except (DatabaseError, InterfaceError) as error:
            log.warning("fix.sweep_waits", error=str(error))

    async def _recover(self) -> int:
        live = list(self._house.live)
        return await in_pool(fix_sessions_recover, live_keys=live, cancel_after=RECOVER, at=clock.now())

    async def _say_goodbye(self) -> None:
        for connection in list(self._connections):
            connection.stop(STOPPING)
        if self._connections:
            await asyncio.wait(list(self._connections.values()), timeout=STOP_SECONDS)


def _tls(listening: Listening) -> ssl.SSLContext | None:
    if listening.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(listening.certificate, listening.key)
    return context
