"""Hold what every reader sees, and encode it once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from marketdata.domain.types import CandleMessage, PriceUpdate
from marketdata.hub.frames import Frame

CANDLES_KEPT = 3
_HUNDREDTH = Decimal("0.01")

CandleKey = tuple[str, str]


class _QuoteView(msgspec.Struct, frozen=True):
    """A price as a browser shows it."""

    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal
    last: Decimal
    last_size: Decimal
    change: Decimal | None
    change_percent: Decimal | None
    previous_close: Decimal | None
    executed_at: object
    received_at: object
    synthetic: bool
    open: bool


def text(value: object) -> str:
    """Return a value as JSON text; Decimals become strings."""
    return msgspec.json.encode(value).decode()


def change_of(update: PriceUpdate) -> tuple[Decimal | None, Decimal | None]:
    """Return the change since the previous close, as an amount and as a percentage to two places."""
    before = update.previous_close
    if not before:
        return None, None
    change = update.last - before
    return change, (change * 100 / before).quantize(_HUNDREDTH, rounding=ROUND_HALF_EVEN)


def quote_text(update: PriceUpdate) -> str:
    """Return a price as the JSON object that quotes frames hold."""
    change, percent = change_of(update)
    return text(
        _QuoteView(
            update.bid,
            update.ask,
            update.bid_size,
            update.ask_size,
            update.last,
            update.last_size,
            change,
            percent,
            update.previous_close,
            update.executed_at,
            update.received_at,
            update.is_synthetic,
            update.is_open,
        )
    )


class Board:
    """Know the latest of everything, each with the number of the turn that changed it."""

    def __init__(self) -> None:
        self.sequence = 0
        self.prices: dict[str, PriceUpdate] = {}
        self._changed: dict[str, int] = {}
        self._quote_texts: dict[str, str] = {}
        self._frames: dict[tuple[object, ...], Frame | None] = {}
        self._candles: dict[CandleKey, dict[int, tuple[int, str]]] = {}

    def take_prices(self, updates: Iterable[PriceUpdate]) -> None:
        """Replace the prices that a feed's turn changed."""
        self._turn()
        for update in updates:
            self.prices[update.symbol] = update
            self._changed[update.symbol] = self.sequence
            self._quote_texts.pop(update.symbol, None)

    def take_candles(self, candles: Iterable[CandleMessage]) -> None:
        """Keep the last few candles of each series, so that a slow reader still gets the final one of an interval."""
        self._turn()
        for candle in candles:
            series = self._candles.setdefault((candle.symbol, candle.interval), {})
            body = text({"t": candle.t, "o": candle.o, "h": candle.h, "l": candle.l, "c": candle.c, "v": candle.v})
            series[candle.t] = (self.sequence, body)
            while len(series) > CANDLES_KEPT:
                del series[min(series)]

    def _turn(self) -> None:
        self.sequence += 1
        self._frames.clear()

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
        """Return a symbol's order book when it changed after `since`; -1 asks for a snapshot."""
        if self._changed.get(symbol, 0) <= since:
            return None
        kind = "snapshot" if since < 0 else "delta"
        key = ("depth", symbol, kind)
        if (known := self._frames.get(key)) is None:
            known = self._frames[key] = Frame(self._depth(symbol, kind))
        return known

    def _depth(self, symbol: str, kind: str) -> str:
        update = self.prices.get(symbol)
        return text(
            {
                "type": kind,
                "ch": "depth",
                "sym": symbol,
                "seq": self.sequence,
                "bids": update.bids if update else [],
                "asks": update.asks if update else [],
                "received_at": update.received_at if update else None,
                "synthetic": update.is_synthetic if update else False,
            }
        )

    def candle_frames(self, key: CandleKey, since: int) -> list[Frame]:
        """Return a frame for each candle of a series that changed after `since`, oldest first."""
        series = sorted(self._candles.get(key, {}).items())
        return [self._candle(key, t, body) for t, (changed, body) in series if changed > since]

    def _candle(self, key: CandleKey, t: int, body: str) -> Frame:
        known = self._frames.get(("candle", key, t))
        if known is None:
            head = f'{{"type":"delta","ch":"candles","sym":{text(key[0])},"interval":{text(key[1])},"candle":'
            known = self._frames["candle", key, t] = Frame(f"{head}{body}}}")
        return known
