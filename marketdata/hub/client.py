"""One reader of the hub: what it asked for, and a pump that sends it no faster than it reads."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import TYPE_CHECKING
from uuid import UUID

from marketdata.hub.accounts import AccountDelta, AccountFeed
from marketdata.hub.board import CandleKey, text
from marketdata.hub.wheel import MAX_RATE
from trading_portal.kernel import clock

if TYPE_CHECKING:
    from marketdata.hub.hub import Hub

SLOW = 4408
STUCK_SECONDS = 10.0
REPLIES_BOUND = 256
ACCOUNT_BOUND = 1000
CLOSE_SECONDS = 2.0

Send = Callable[[str], Awaitable[None]]
Close = Callable[[int], Awaitable[None]]


class HubClient:
    """A connected reader; every method but the pump's sending is immediate."""

    def __init__(self, hub: Hub, send: Send, close: Close, user_id: UUID, number: int) -> None:
        self.number = number
        self.user_id = user_id
        self._hub = hub
        self._send = send
        self._close = close
        self._replies: deque[str] = deque()
        self._symbols: frozenset[str] = frozenset()
        self._quotes_seen = 0
        self._depths: dict[str, int] = {}
        self._candles: dict[CandleKey, int] = {}
        self._accounts: dict[str, AccountFeed] = {}
        self._valuations: dict[str, str] = {}
        self._is_due = False
        self._has_left = False
        self._sending_since: float | None = None
        self._wake = asyncio.Event()
        self._pump = asyncio.get_running_loop().create_task(self._run(), name=f"hub-client-{number}")

    # What a consumer calls

    def reply(self, message: object) -> None:
        """Send an answer, in order with everything else."""
        self.send_frame(message if isinstance(message, str) else text(message))

    def subscribe_quotes(self, symbols: Collection[str], *, rate: int = 4, reply_to: object = None) -> None:
        """Follow these symbols instead of the ones before, at most `rate` frames a second."""
        self._symbols = self._hub.shared_set(symbols)
        self._quotes_seen = self._hub.board.sequence
        self._ack("quotes", reply_to, self._quotes_seen)
        self.send_frame(self._hub.board.quotes_snapshot(self._symbols))
        self._hub.schedule(self, max(1, min(MAX_RATE, rate)))

    def subscribe_depth(self, symbol: str, *, reply_to: object = None) -> None:
        """Follow a symbol's order book."""
        self._ack("depth", reply_to, self._hub.board.sequence, sym=symbol)
        snapshot = self._hub.board.depth_frame(symbol, -1)
        self._depths[symbol] = self._hub.board.sequence
        if snapshot is not None:
            self.send_frame(snapshot)
        self._hub.schedule(self)

    def subscribe_candles(self, symbol: str, interval: str, *, reply_to: object = None) -> None:
        """Follow the candles of a symbol and interval."""
        self._ack("candles", reply_to, self._hub.board.sequence, sym=symbol, interval=interval)
        self._candles[(symbol, interval)] = 0
        self._hub.schedule(self)

    def subscribe_account(self, account_id: UUID | str) -> None:
        """Keep back an account's events from now on; `start_account` lets them go."""
        self._accounts[str(account_id)] = AccountFeed(ACCOUNT_BOUND)
        self._hub.watch_account(str(account_id), self)

    def start_account(self, account_id: UUID | str, ack: object, snapshot: object, sequence: int) -> None:
        """Send the snapshot, then every event after its sequence."""
        feed = self._accounts.get(str(account_id))
        if feed is not None:
            self.reply(ack)
            self.reply(snapshot)
            feed.start(sequence)

    def unsubscribe(
        self, channel: str, symbol: str = "", interval: str = "", account_id: UUID | str | None = None
    ) -> None:
        """Stop following; depth and candles without a symbol stop altogether."""
        if channel == "quotes":
            self._symbols = frozenset()
        elif channel == "depth":
            self._depths = {s: seen for s, seen in self._depths.items() if symbol and s != symbol}
        elif channel == "candles":
            kept = {k: seen for k, seen in self._candles.items() if symbol and k[0] != symbol}
            self._candles = kept | {
                k: seen for k, seen in self._candles.items() if k[0] == symbol and interval and k[1] != interval
            }
        elif channel == "account":
            for watched in [str(account_id)] if account_id else list(self._accounts):
                self._forget_account(watched)

    def leave(self) -> None:
        """End the reader; harmless when repeated."""
        if not self._has_left:
            self._has_left = True
            self._hub.forget(self)
            self._pump.cancel()

    # What the hub calls

    @property
    def is_stuck(self) -> bool:
        """Tell whether one frame has been under way for too long."""
        return self._sending_since is not None and clock.monotonic() - self._sending_since > STUCK_SECONDS

    @property
    def has_live_account(self) -> bool:
        """Tell whether it relies on hearing every event of some account."""
        return any(feed.is_started for feed in self._accounts.values())

    @property
    def accounts(self) -> list[str]:
        """Return the accounts it follows."""
        return list(self._accounts)

    def send_frame(self, frame: str) -> None:
        """Queue a frame that is not conflated; a reader that lets too many wait is dropped."""
        if len(self._replies) >= REPLIES_BOUND:
            self.drop()
            return
        self._replies.append(frame)
        self._wake.set()

    def beat(self, frame: str) -> None:
        """Send a heartbeat, unless something else is still on its way."""
        if self._sending_since is None:
            self.send_frame(frame)

    def take_turn(self) -> None:
        """Let the pump send what changed, if the frame before is out."""
        if self._sending_since is None and (self._symbols or self._depths or self._candles):
            self._is_due = True
            self._wake.set()

    def take_account(self, delta: AccountDelta) -> None:
        """Queue an account's events; past the bound the reader must start over."""
        feed = self._accounts.get(delta.account_id)
        if feed is None:
            return
        if feed.take(delta):
            self._wake.set()
        else:
            self._resync_account(delta.account_id, "slow_consumer")

    def take_valuation(self, account_id: str, frame: str) -> None:
        """Replace the valuation that waits for this reader."""
        self._valuations[account_id] = frame
        self._wake.set()

    def resync(self, reason: str) -> None:
        """Drop every subscription and tell the reader to make them again."""
        for channel in ("quotes", "depth", "candles", "account"):
            self.unsubscribe(channel)
        self.reply({"op": "resync", "reason": reason})

    def drop(self) -> None:
        """Close a reader that does not read."""
        if not self._has_left:
            self.leave()
            self._hub.keep(asyncio.get_running_loop().create_task(self._close_slowly()))

    async def _close_slowly(self) -> None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._close(SLOW)

    # The pump

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            for frame in self._frames():
                self._sending_since = clock.monotonic()
                try:
                    await self._send(frame)
                except Exception:  # noqa: BLE001  The connection is gone, however its library says so.
                    self.leave()
                    return
                finally:
                    self._sending_since = None

    def _frames(self) -> Iterator[str]:
        """Yield what waits, each frame built when it is about to be sent, so that it holds the latest."""
        while True:
            if self._replies:
                yield self._replies.popleft()
            elif (frame := self._account_frame()) is not None:
                yield frame
            elif self._valuations:
                yield self._valuations.pop(next(iter(self._valuations)))
            elif self._is_due:
                self._is_due = False
                yield from self._price_frames()
            else:
                return

    def _account_frame(self) -> str | None:
        for account_id, feed in list(self._accounts.items()):
            try:
                if (frame := feed.next_frame()) is not None:
                    return frame
            except LookupError:
                self._resync_account(account_id, "gap")
        return None

    def _price_frames(self) -> Iterator[str]:
        board = self._hub.board
        if self._symbols and (frame := board.quotes_frame(self._symbols, self._quotes_seen)) is not None:
            self._quotes_seen = board.sequence
            yield frame
        for symbol, seen in list(self._depths.items()):
            if (frame := board.depth_frame(symbol, seen)) is not None and symbol in self._depths:
                self._depths[symbol] = board.sequence
                yield frame
        for key, seen in list(self._candles.items()):
            frames = board.candle_frames(key, seen) if key in self._candles else []
            if frames:
                self._candles[key] = board.sequence
            yield from frames

    def _ack(self, channel: str, reply_to: object, sequence: int, **more: str) -> None:
        epoch = self._hub.epoch
        self.reply(
            {"op": "ack", "id": reply_to, "ch": channel, "epoch": epoch, "seq": sequence, "mode": "snapshot", **more}
        )

    def _forget_account(self, account_id: str) -> None:
        self._accounts.pop(account_id, None)
        self._valuations.pop(account_id, None)
        self._hub.unwatch_account(account_id, self)

    def _resync_account(self, account_id: str, reason: str) -> None:
        self._forget_account(account_id)
        self.reply({"op": "resync", "ch": "account", "account_id": account_id, "reason": reason})
