"""The socket of one connection: messages in, in their order and no faster than they are acted on; texts out."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from orders.gateways.fix.wire import Framer, WireError

LOGON_SECONDS = 10.0
TICK_SECONDS = 0.25
WRITE_SECONDS = 10.0
CHUNK = 65_536
WAITING = 1_024
BATCH = 256

log = structlog.get_logger(__name__)


class Line:
    """Read and write one connection; `wake` ends a wait, whatever for."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.address = str((writer.get_extra_info("peername") or ("",))[0])
        self.is_gone = False
        self._frames: asyncio.Queue[str | None] = asyncio.Queue(WAITING)
        self._woken = asyncio.Event()
        self._reading = asyncio.get_running_loop().create_task(self._read())

    def wake(self) -> None:
        """End the wait that is, or the next one."""
        self._woken.set()

    async def first(self) -> str | None:
        """Return the first message, which must come soon; None when it does not."""
        try:
            async with asyncio.timeout(LOGON_SECONDS):
                return await self._frames.get()
        except TimeoutError:
            return None

    async def wait(self) -> tuple[bool, list[str]]:
        """Return whether anything happened, and the messages that came; nothing happening ends with the next tick."""
        if self._frames.empty():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._woken.wait()
        was_woken = self._woken.is_set() or not self._frames.empty()
        self._woken.clear()
        found: list[str] = []
        while len(found) < BATCH and not self._frames.empty():
            text = self._frames.get_nowait()
            if text is None:
                self.is_gone = True
                break
            found.append(text)
        return was_woken, found

    async def write(self, text: str) -> None:
        """Write; raise TimeoutError for a partner that does not read."""
        self._writer.write(text.encode())
        async with asyncio.timeout(WRITE_SECONDS):
            await self._writer.drain()

    async def close(self) -> None:
        """End the connection."""
        self._reading.cancel()
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(WRITE_SECONDS):
                await self._writer.wait_closed()

    async def _read(self) -> None:
        """Pass on messages as they arrive; None marks the end."""
        framer = Framer()
        try:
            while data := await self._reader.read(CHUNK):
                for text in framer.feed(data):
                    await self._frames.put(text)
                    self._woken.set()
        except (OSError, WireError) as error:
            log.info("fix.reading_over", address=self.address, error=str(error))
        await self._frames.put(None)
        self._woken.set()
