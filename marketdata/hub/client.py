"""One reader of the hub: what it asked for, and what waits for it; it is sent no more than it reads.

Where the server can write at once, a frame costs a call. Else, and for a reader that has fallen behind, a task sends
what waits, for as long as something does: a reader at rest holds none.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import TYPE_CHECKING
from uuid import UUID

from marketdata.hub.accounts import AccountDelta, AccountFeed
from marketdata.hub.board import frame_of
from marketdata.hub.frames import Frame, Line
from marketdata.hub.metrics import DROPPED
from marketdata.hub.prices import PriceFeed
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
    """A connected reader; every method but the task's sending is immediate."""

    __slots__ = (
        "__weakref__",
        "_accounts",
        "_close",
        "_has_left",
        "_hub",
        "_is_due",
        "_is_sending",
        "_line",
        "_prices",
        "_replies",
        "_send_text",
        "_sender",
        "_sending_since",
        "_valuations",
        "number",
        "user_id",
    )

    def __init__(self, hub: Hub, send: Send, close: Close, user_id: UUID, number: int, line: Line | None) -> None:
        self.number = number
        self.user_id = user_id
        self._hub = hub
        self._send_text = send
        self._close = close
        self._line = line
        self._replies: deque[Frame] | None = None
        self._prices = PriceFeed(hub.board)
        self._accounts: dict[str, AccountFeed] = {}
        self._valuations: dict[str, Frame] = {}
        self._is_due = False
        self._has_left = False
        self._is_sending = False
        self._sending_since: float | None = None
        self._sender: asyncio.Task[None] | None = None

    # What a consumer calls

    def reply(self, message: object) -> None:
        """Send an answer, in order with everything else; what is a frame already goes out as it is."""
        self.send_frame(message if isinstance(message, Frame) else frame_of(message))

    def subscribe_quotes(self, symbols: Collection[str], *, rate: int = 4, reply_to: object = None) -> None:
        """Follow these symbols instead of the ones before, at most `rate` frames a second."""
        self._ack("quotes", reply_to)
        self.send_frame(self._prices.begin_quotes(self._hub.shared_set(symbols)))
        self._hub.schedule(self, max(1, min(MAX_RATE, rate)))

    def subscribe_depth(self, symbol: str, *, reply_to: object = None) -> None:
        """Follow a symbol's order book."""
        self._ack("depth", reply_to, sym=symbol)
        self.send_frame(self._prices.begin_depth(symbol))
        self._hub.schedule(self)

    def subscribe_candles(self, symbol: str, interval: str, *, reply_to: object = None) -> None:
        """Follow the candles of a symbol and interval."""
        self._ack("candles", reply_to, sym=symbol, interval=interval)
        self.send_frame(self._prices.begin_candles((symbol, interval)))
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
            self._flush()

    def unsubscribe(
        self, channel: str, symbol: str = "", interval: str = "", account_id: UUID | str | None = None
    ) -> None:
        """Stop following; depth and candles without a symbol stop altogether."""
        if channel == "account":
            for watched in [str(account_id)] if account_id else list(self._accounts):
                self._forget_account(watched)
        else:
            self._prices.end(channel, symbol, interval)

    def leave(self) -> None:
        """End the reader; harmless when repeated."""
        if not self._has_left:
            self._has_left = True
            self._hub.forget(self)
            if self._sender is not None:
                self._sender.cancel()

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

    def send_frame(self, frame: Frame) -> None:
        """Send a frame that is not conflated; a reader that lets too many wait is dropped."""
        if self._has_left:
            return
        if not self._is_sending:
            self._put(frame)
            return
        if self._replies is None:
            self._replies = deque()
        if len(self._replies) >= REPLIES_BOUND:
            DROPPED.inc()
            self.drop()
        else:
            self._replies.append(frame)

    def beat(self, frame: Frame) -> None:
        """Send a heartbeat, unless something else is still on its way."""
        if not self._is_sending:
            self.send_frame(frame)

    def take_turn(self) -> None:
        """Send what changed, if the frame before is out."""
        if self._is_sending:
            return
        prices = self._prices
        if prices.depths or prices.candles:
            self._is_due = True
            self._flush()
        elif (frame := prices.quotes_frame()) is not None:
            self._put(frame)

    def take_account(self, delta: AccountDelta) -> None:
        """Queue an account's events; past the bound the reader must start over."""
        feed = self._accounts.get(delta.account_id)
        if feed is None:
            return
        if feed.take(delta):
            self._flush()
        else:
            self._resync_account(delta.account_id, "slow_consumer")

    def take_valuation(self, account_id: str, frame: Frame) -> None:
        """Replace the valuation that waits for this reader."""
        self._valuations[account_id] = frame
        self._flush()

    def resync(self, reason: str) -> None:
        """Drop every subscription and tell the reader to make them again."""
        for channel in ("quotes", "depth", "candles", "account"):
            self.unsubscribe(channel)
        self.reply({"op": "resync", "reason": reason})

    def drop(self, code: int = SLOW) -> None:
        """End a reader, and close its connection without waiting for it."""
        if not self._has_left:
            self.leave()
            self._hub.keep(asyncio.get_running_loop().create_task(self._close_slowly(code)))

    async def _close_slowly(self, code: int) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._close(code)
        except Exception:  # noqa: BLE001  Who takes no goodbye is cut off.
            if self._line is not None:
                self._line.abort()

    # Sending

    def _put(self, frame: Frame, behind: Iterator[Frame] | None = None) -> None:
        """Write a frame when nothing is on its way; leave it to a task, with what is behind it, if that would wait."""
        try:
            if self._line is not None and self._line.write(frame):
                self._hub.frames_sent += 1
                return
        except Exception:  # noqa: BLE001  The connection is gone, however its server says so.
            self.leave()
            return
        self._is_sending = True
        self._sending_since = clock.monotonic()
        self._sender = asyncio.get_running_loop().create_task(self._send(frame, behind))

    def _flush(self) -> None:
        """Write what waits, as far as that goes at once."""
        if not self._is_sending and not self._has_left:
            frames = self._frames()
            for frame in frames:
                self._put(frame, frames)
                if self._is_sending or self._has_left:
                    return

    async def _send(self, first: Frame, behind: Iterator[Frame] | None) -> None:
        """Send a frame and what waits behind it, no faster than it is read."""
        try:
            for frame in itertools.chain([first], behind or (), self._frames()):
                self._sending_since = clock.monotonic()
                await self._send_text(frame.text)
                self._hub.frames_sent += 1
        except Exception:  # noqa: BLE001  The connection is gone, however its library says so.
            self.leave()
        finally:
            self._sending_since = None
            self._sender = None
            self._is_sending = False

    def _frames(self) -> Iterator[Frame]:
        """Yield what waits, each frame built when it is about to be sent, so that it holds the latest."""
        while True:
            if self._replies:
                yield self._replies.popleft()
            elif (frame := self._account_frame()) is not None:
                yield frame
            elif self._valuations:
                yield self._valuations.pop(next(iter(self._valuations)))
            elif self._is_due:
                yield from self._price_frames()
            else:
                return

    def _account_frame(self) -> Frame | None:
        for account_id, feed in list(self._accounts.items()):
            try:
                if (frame := feed.next_frame()) is not None:
                    return frame
            except LookupError:
                self._resync_account(account_id, "gap")
        return None

    def _price_frames(self) -> Iterator[Frame]:
        self._is_due = False
        for frame in self._prices.frames():
            yield frame
            if self._replies:
                # A new subscription begins with its snapshot: what follows from that must not overtake it.
                self._is_due = True
                return

    def _ack(self, channel: str, reply_to: object, **more: str) -> None:
        told = {"epoch": self._hub.epoch, "seq": self._hub.board.sequence, "mode": "snapshot"}
        self.reply({"op": "ack", "id": reply_to, "ch": channel, **told, **more})

    def _forget_account(self, account_id: str) -> None:
        self._accounts.pop(account_id, None)
        self._valuations.pop(account_id, None)
        self._hub.unwatch_account(account_id, self)

    def _resync_account(self, account_id: str, reason: str) -> None:
        self._forget_account(account_id)
        self.reply({"op": "resync", "ch": "account", "account_id": account_id, "reason": reason})
