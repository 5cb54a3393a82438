"""The way of a price: feed, normaliser, last price, candles, last known price, fan-out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import structlog

from marketdata.domain.normaliser import Standing
from marketdata.domain.types import FeedEvent, FeedHeartbeat, FeedRewind, FeedTrade, InstrumentFacts, LastClose
from marketdata.selectors import session_at
from marketdata.services.price_handlers import Candles, FanOut, Handler, LastPrices, QuoteRows, Turn
from marketdata.services.writers import HandlerThread
from trading_portal.kernel.errors import Reason, reason

COMPLAIN_EVERY = 1000

log = structlog.get_logger(__name__)


class Pipeline:
    """Turn feed events into prices and hand them to every handler; belongs to one thread."""

    def __init__(
        self,
        instruments: Iterable[InstrumentFacts],
        *,
        previous_closes: Mapping[UUID, LastClose] | None = None,
        last_closes: Mapping[UUID, LastClose] | None = None,
        handlers: Sequence[Handler] | None = None,
    ) -> None:
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._standing = {symbol: Standing(symbol) for symbol in self._instruments}
        for symbol, standing in self._standing.items():
            instrument_id = self._instruments[symbol].id
            if previous_closes and (close := previous_closes.get(instrument_id)):
                standing.previous_close = close.price
            if last_closes and (last := last_closes.get(instrument_id)):
                standing.seed(last)
        self.dropped: Counter[str] = Counter()
        self._writers = [HandlerThread(handler) for handler in (handlers or self._default_handlers())]

    def _default_handlers(self) -> list[Handler]:
        ids = {symbol: instrument.id for symbol, instrument in self._instruments.items()}
        fan_out = FanOut()
        return [LastPrices(), Candles(ids, fan_out), QuoteRows(ids), fan_out]

    def start(self) -> None:
        """Start the handlers."""
        for writer in self._writers:
            writer.start()

    def stop(self) -> None:
        """Let every handler write what it holds, and end."""
        for writer in self._writers:
            writer.stop()

    def take(self, events: Iterable[FeedEvent], at: datetime) -> Turn:
        """Fold a turn's events, received at an instant, and hand what came of them to the handlers."""
        trades: list[FeedTrade] = []
        touched: dict[str, None] = {}
        rewound: set[str] = set()
        for event in events:
            if isinstance(event, FeedRewind):
                rewound.add(event.symbol)
            for symbol in event.symbols if isinstance(event, FeedHeartbeat) else (event.symbol,):
                outcome = self._fold(symbol, event, at)
                if isinstance(outcome, Reason):
                    self._drop(outcome)
                    continue
                touched[symbol] = None
                if outcome is not None:
                    trades.append(outcome)
        turn = Turn(
            prices=[price for symbol in touched if (price := self._standing[symbol].price()) is not None],
            trades=trades,
            rewound=frozenset(rewound),
        )
        if turn.prices or turn.trades or turn.rewound:
            for writer in self._writers:
                writer.offer(turn)
        return turn

    def _fold(self, symbol: str, event: FeedEvent, at: datetime) -> FeedTrade | Reason | None:
        standing = self._standing.get(symbol)
        if standing is None:
            return reason("FEED_SYMBOL_UNKNOWN", symbol=symbol)
        standing.is_open = session_at(self._instruments[symbol], at).is_open
        return standing.fold(event, at)

    def _drop(self, why: Reason) -> None:
        """Count what was dropped; log the first of a kind and then every thousandth."""
        self.dropped[why.code] += 1
        count = self.dropped[why.code]
        if count == 1 or count % COMPLAIN_EVERY == 0:
            log.warning("feed.dropped", code=why.code, count=count, why=str(why))
