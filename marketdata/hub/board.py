"""Hold what every reader sees, and encode it once.

Every frame of a channel has a sequence, and a delta names the one it builds upon: what a reader had last, or, where the
board no longer has all that came after, the newest that it let go. A reader that had neither has missed something.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter

import msgspec

from marketdata.domain.quotes import quote_text
from marketdata.domain.types import CandleMessage, PriceUpdate
from marketdata.hub.frames import Frame

CANDLES_KEPT = 3

CandleKey = tuple[str, str]


def text(value: object) -> str:
    """Return a value as JSON text; Decimals become strings."""
    return msgspec.json.encode(value).decode()


def frame_of(message: object) -> Frame:
    """Return a message as the frame that it is sent in."""
    return Frame(text(message))


class _Series:
    """The last few candles of a symbol and interval, each with the number of its last change, the newest change last.

    So a slow reader still gets the final state of one when the next has begun.
    """

    __slots__ = ("_kept", "let_go")

    def __init__(self) -> None:
        self._kept: dict[int, tuple[int, str]] = {}
        self.let_go = 0
        """The number of the newest change that is not kept any more."""

    def take(self, number: int, t: int, body: str) -> None:
        self._kept.pop(t, None)
        self._kept[t] = (number, body)
        if len(self._kept) > CANDLES_KEPT:
            self.let_go = max(self.let_go, self._kept.pop(min(self._kept))[0])

    def since(self, number: int) -> list[tuple[int, str]]:
        return [change for change in self._kept.values() if change[0] > number]

    def bodies(self) -> list[str]:
        return [body for _, (_, body) in sorted(self._kept.items())]


class Board:
    """Know the latest of everything, each with the number of the turn, of candles the change, that brought it."""

    def __init__(self) -> None:
        self.sequence = 0
        self.prices: dict[str, PriceUpdate] = {}
        self._changed: dict[str, int] = {}
        self._quote_texts: dict[str, str] = {}
        self._depth_texts: dict[str, str] = {}
        self._frames: dict[tuple[object, ...], Frame | None] = {}
        self._candles: dict[CandleKey, _Series] = {}

    def take_prices(self, updates: Iterable[PriceUpdate]) -> None:
        """Replace the prices that a feed's turn changed."""
        self.sequence += 1
        self._frames.clear()
        for update in updates:
            self.prices[update.symbol] = update
            self._changed[update.symbol] = self.sequence
            self._quote_texts.pop(update.symbol, None)
            self._depth_texts.pop(update.symbol, None)

    def take_candles(self, candles: Iterable[CandleMessage]) -> None:
        """Take candles that changed, the oldest first; each change has a number of its own, for it is a frame too."""
        self._frames.clear()
        for candle in sorted(candles, key=attrgetter("t")):
            self.sequence += 1
            body = text({"t": candle.t, "o": candle.o, "h": candle.h, "l": candle.l, "c": candle.c, "v": candle.v})
            series = self._candles.setdefault((candle.symbol, candle.interval), _Series())
            series.take(self.sequence, candle.t, body)

    def quotes_frame(self, symbols: frozenset[str], since: int) -> Frame | None:
        """Return what changed after `since` in these symbols, or None; the same answer is encoded once."""
        key = ("quotes", symbols, since)
        if key not in self._frames:
            changed = [symbol for symbol in symbols if self._changed.get(symbol, 0) > since]
            head = f'"delta","ch":"quotes","seq":{self.sequence},"prev":{since}'
            self._frames[key] = self._quotes(head, changed) if changed else None
        return self._frames[key]

    def quotes_snapshot(self, symbols: frozenset[str]) -> Frame:
        """Return everything known of these symbols."""
        key = ("snapshot", symbols)
        if (known := self._frames.get(key)) is None:
            there = [symbol for symbol in symbols if symbol in self.prices]
            known = self._frames[key] = self._quotes(f'"snapshot","ch":"quotes","seq":{self.sequence}', there)
        return known

    def _quotes(self, head: str, symbols: Sequence[str]) -> Frame:
        body = ",".join([self._quote_text(symbol) for symbol in sorted(symbols)])
        return Frame(f'{{"type":{head},"quotes":{{{body}}}}}')

    def _quote_text(self, symbol: str) -> str:
        known = self._quote_texts.get(symbol)
        if known is None:
            known = self._quote_texts[symbol] = f"{text(symbol)}:{quote_text(self.prices[symbol])}"
        return known

    def depth_frame(self, symbol: str, since: int) -> Frame | None:
        """Return a symbol's order book when it changed after `since`."""
        if self._changed.get(symbol, 0) <= since:
            return None
        key = ("depth", symbol, since)
        if (known := self._frames.get(key)) is None:
            head = f'"delta","ch":"depth","seq":{self.sequence},"prev":{since}'
            known = self._frames[key] = self._depth(head, symbol)
        return known

    def depth_snapshot(self, symbol: str) -> Frame:
        """Return a symbol's order book, an empty one where none is known."""
        key = ("depth", symbol)
        if (known := self._frames.get(key)) is None:
            known = self._frames[key] = self._depth(f'"snapshot","ch":"depth","seq":{self.sequence}', symbol)
        return known

    def _depth(self, head: str, symbol: str) -> Frame:
        body = self._depth_texts.get(symbol)
        if body is None:
            update = self.prices.get(symbol)
            body = _depth_text(symbol, update)
            if update is not None:  # Readers may ask for names that nobody will ever have.
                self._depth_texts[symbol] = body
        return Frame(f'{{"type":{head},{body}')

    def candle_frames(self, key: CandleKey, since: int) -> Iterator[tuple[int, Frame]]:
        """Yield each candle of a series that changed after `since`, as its number and frame, in that order."""
        series = self._candles.get(key)
        if series is None:
            return
        previous = max(since, series.let_go)
        for number, body in series.since(since):
            yield number, self._candle(key, number, previous, body)
            previous = number

    def _candle(self, key: CandleKey, number: int, previous: int, body: str) -> Frame:
        named = ("candle", key, number, previous)
        if (known := self._frames.get(named)) is None:
            head = f'"delta","ch":"candles","seq":{number},"prev":{previous},{_series_text(key)}'
            known = self._frames[named] = Frame(f'{{"type":{head},"candle":{body}}}')
        return known

    def candles_snapshot(self, key: CandleKey) -> Frame:
        """Return the last few candles of a series; those before are history."""
        named = ("candles", key)
        if (known := self._frames.get(named)) is None:
            series = self._candles.get(key)
            bodies = ",".join(series.bodies()) if series else ""
            head = f'"snapshot","ch":"candles","seq":{self.sequence},{_series_text(key)}'
            known = self._frames[named] = Frame(f'{{"type":{head},"candles":[{bodies}]}}')
        return known


def _depth_text(symbol: str, update: PriceUpdate | None) -> str:
    """Return a book as its frames end, after the head that says what kind of frame it is."""
    book = {
        "sym": symbol,
        "bids": update.bids if update else [],
        "asks": update.asks if update else [],
        "received_at": update.received_at if update else None,
        "synthetic": update.is_synthetic if update else False,
    }
    return text(book)[1:]


def _series_text(key: CandleKey) -> str:
    return f'"sym":{text(key[0])},"interval":{text(key[1])}'
