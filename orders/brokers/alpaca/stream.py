"""Alpaca's stream of trade updates through its SDK, on a thread of its own; it connects again by itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import structlog
from alpaca.trading.stream import TradingStream

from orders.brokers.alpaca.profile import AlpacaProfile
from trading_portal.kernel import clock

JOIN_SECONDS = 3.0
SOCKET = {"open_timeout": 4, "ping_interval": 5, "ping_timeout": 10, "close_timeout": 1, "max_queue": 4096}
log = structlog.get_logger(__name__)


class _Stream(TradingStream):
    """The SDK's stream, which says when the venue has begun to listen and when the line is lost."""

    def __init__(self, profile: AlpacaProfile, updates: TradeUpdates) -> None:
        super().__init__(
            profile.key_id,
            profile.secret_key,
            raw_data=True,
            url_override=profile.stream_url,
            websocket_params=dict(SOCKET),
        )
        self._reconnect_min_backoff, self._reconnect_max_backoff = profile.reconnect_seconds
        self._updates = updates
        self.subscribe_trade_updates(self._take)

    async def _take(self, message: dict[str, Any]) -> None:
        self._updates.on_update(message["data"])

    async def _dispatch(self, msg: dict[str, Any]) -> None:
        if msg.get("stream") == "listening":
            self._updates.is_listening.set()
            self._updates.on_listening()
            return
        await super()._dispatch(msg)

    async def close(self) -> None:
        """Close the line, and say that nothing is heard any more."""
        self._updates.is_listening.clear()
        await super().close()

    async def hang_up(self) -> None:
        """Stop for good, without waiting for the next message."""
        await self.stop_ws()
        if self._ws is not None:
            await self._ws.close()

    def stop(self) -> None:
        """Stop for good; called from any other thread."""
        loop = self._loop
        if loop is not None and loop.is_running():
            asyncio.run_coroutine_threadsafe(self.hang_up(), loop)


class TradeUpdates:
    """Follow an account's trade updates from `start` to `stop`."""

    def __init__(
        self, profile: AlpacaProfile, on_update: Callable[[dict[str, Any]], None], on_listening: Callable[[], None]
    ) -> None:
        self.on_update = on_update
        self.on_listening = on_listening
        self.is_listening = threading.Event()
        self._stream = _Stream(profile, self)
        self._thread = threading.Thread(target=self._stream.run, name="alpaca-stream", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def stop(self) -> None:
        """Hang up; said again until it is heard, for a stream that has just begun has nobody to hear it yet."""
        deadline = clock.monotonic() + JOIN_SECONDS
        while self._thread.is_alive() and clock.monotonic() < deadline:
            self._stream.stop()
            self._thread.join(0.05)
        if self._thread.is_alive():
            log.warning("alpaca.stream_lingers")
