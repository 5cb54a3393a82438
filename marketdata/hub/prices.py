"""What one reader follows of the board, and which sequence it had last of each."""

from __future__ import annotations

from collections.abc import Iterator

from marketdata.hub.board import Board, CandleKey
from marketdata.hub.frames import Frame

NOTHING: frozenset[str] = frozenset()


class PriceFeed:
    """One reader's view of prices, order books and candles: each begins with a snapshot and goes on with deltas."""

    __slots__ = ("_board", "_quotes_seen", "candles", "depths", "symbols")

    def __init__(self, board: Board) -> None:
        self._board = board
        self._quotes_seen = 0
        self.symbols = NOTHING
        self.depths: dict[str, int] = {}
        self.candles: dict[CandleKey, int] = {}

    def begin_quotes(self, symbols: frozenset[str]) -> Frame:
        """Follow these symbols instead of the ones before; return their snapshot."""
        self.symbols, self._quotes_seen = symbols, self._board.sequence
        return self._board.quotes_snapshot(symbols)

    def begin_depth(self, symbol: str) -> Frame:
        """Follow a symbol's order book; return its snapshot."""
        self.depths[symbol] = self._board.sequence
        return self._board.depth_snapshot(symbol)

    def begin_candles(self, key: CandleKey) -> Frame:
        """Follow the candles of a symbol and interval; return the last few."""
        self.candles[key] = self._board.sequence
        return self._board.candles_snapshot(key)

    def end(self, channel: str, symbol: str = "", interval: str = "") -> None:
        """Stop following; depth and candles without a symbol stop altogether."""
        if channel == "quotes":
            self.symbols = NOTHING
        elif channel == "depth":
            self.depths = {s: seen for s, seen in self.depths.items() if symbol and s != symbol}
        elif channel == "candles":
            self.candles = {
                key: seen
                for key, seen in self.candles.items()
                if symbol and (key[0] != symbol or (interval and key[1] != interval))
            }

    def quotes_frame(self) -> Frame | None:
        """Return what changed in the symbols since the last frame of them, or None."""
        board = self._board
        frame = board.quotes_frame(self.symbols, self._quotes_seen) if self.symbols else None
        if frame is not None:
            self._quotes_seen = board.sequence
        return frame

    def frames(self) -> Iterator[Frame]:
        """Yield what changed, each frame built when it is asked for; what is not asked for is told the next time."""
        if (quotes := self.quotes_frame()) is not None:
            yield quotes
        for symbol in list(self.depths):
            seen = self.depths.get(symbol)
            if seen is not None and (depth := self._board.depth_frame(symbol, seen)) is not None:
                self.depths[symbol] = self._board.sequence
                yield depth
        for key in list(self.candles):
            for number, candle in self._board.candle_frames(key, self.candles.get(key, self._board.sequence)):
                if key not in self.candles:
                    break  # nobody follows it since the frame before
                self.candles[key] = number
                yield candle
