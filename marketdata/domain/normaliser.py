"""Turn what a feed says into a price, or say why not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from marketdata.domain.types import (
    FeedDepth,
    FeedEvent,
    FeedHeartbeat,
    FeedQuote,
    FeedRewind,
    FeedTrade,
    LastClose,
    Level,
    PriceUpdate,
)
from trading_portal.kernel import money
from trading_portal.kernel.errors import Reason, reason

DEPTH_LEVELS = 10
TOO_LARGE = Decimal(10) ** 12  # what a day's sums of it could no longer hold
ZERO = Decimal(0)


def _clean(value: object) -> Decimal | None:
    """Return a finite Decimal that a column can hold, in plain form; None for anything else."""
    parsed = money.parse(value) if isinstance(value, Decimal) else None
    return None if parsed is None else Decimal(money.plain(parsed))


def clean_trade(trade: FeedTrade) -> FeedTrade | Reason:
    """Return the trade with exact numbers and UTC time, or why it is no trade."""
    price, quantity = _clean(trade.price), _clean(trade.quantity)
    if price is None or not 0 < price < TOO_LARGE:
        return reason("FEED_PRICE_UNUSABLE", symbol=trade.symbol, price=str(trade.price))
    if quantity is None or not 0 < quantity < TOO_LARGE:
        return reason("FEED_QUANTITY_UNUSABLE", symbol=trade.symbol, quantity=str(trade.quantity))
    if trade.executed_at.tzinfo is None:
        return reason("FEED_TIME_WITHOUT_ZONE", symbol=trade.symbol)
    return FeedTrade(
        symbol=trade.symbol,
        price=price,
        quantity=quantity,
        executed_at=trade.executed_at.astimezone(UTC),
        trade_id=trade.trade_id,
        side=trade.side,
    )


def clean_quote(quote: FeedQuote) -> FeedQuote | Reason:
    """Return the quote with exact numbers, or why it is none; bid = ask is a market, bid > ask is not."""
    bid, ask = _clean(quote.bid), _clean(quote.ask)
    if bid is None or ask is None or bid <= 0 or ask <= 0:
        return reason("FEED_QUOTE_UNUSABLE", symbol=quote.symbol, bid=str(quote.bid), ask=str(quote.ask))
    if bid > ask:
        return reason("FEED_QUOTE_CROSSED", symbol=quote.symbol, bid=bid, ask=ask)
    bid_size, ask_size = _clean(quote.bid_size), _clean(quote.ask_size)
    if bid_size is None or ask_size is None or bid_size < 0 or ask_size < 0:
        sizes = {"bid_size": str(quote.bid_size), "ask_size": str(quote.ask_size)}
        return reason("FEED_SIZE_UNUSABLE", symbol=quote.symbol, **sizes)
    return FeedQuote(
        symbol=quote.symbol,
        bid=bid,
        ask=ask,
        bid_size=bid_size,
        ask_size=ask_size,
        quoted_at=quote.quoted_at,
        is_synthetic=quote.is_synthetic,
    )


def clean_depth(depth: FeedDepth) -> FeedDepth | Reason:
    """Return the book's best ten levels a side, or why it is no book: prices must step away from the middle."""
    bids, asks = _levels(depth.bids, sign=-1), _levels(depth.asks, sign=1)
    if bids is None or asks is None:
        return reason("FEED_DEPTH_UNUSABLE", symbol=depth.symbol)
    if bids and asks and bids[0][0] > asks[0][0]:
        return reason("FEED_DEPTH_CROSSED", symbol=depth.symbol, bid=bids[0][0], ask=asks[0][0])
    return FeedDepth(symbol=depth.symbol, bids=bids, asks=asks, quoted_at=depth.quoted_at)


def _levels(levels: Sequence[Level], sign: int) -> list[Level] | None:
    clean: list[Level] = []
    for raw_price, raw_size in levels[:DEPTH_LEVELS]:
        price, size = _clean(raw_price), _clean(raw_size)
        if price is None or size is None or price <= 0 or size < 0:
            return None
        if clean and (price - clean[-1][0]) * sign <= 0:
            return None
        clean.append((price, size))
    return clean


class Standing:
    """What stands for one instrument: folds clean feed events into its price."""

    def __init__(self, symbol: str, *, previous_close: Decimal | None = None) -> None:
        self.symbol = symbol
        self.previous_close = previous_close
        self.is_open = True
        self._trade: FeedTrade | None = None
        self._quote: FeedQuote | None = None
        self._bids: list[Level] = []
        self._asks: list[Level] = []
        self._received_at: datetime | None = None

    def fold(self, event: FeedEvent, at: datetime) -> FeedTrade | Reason | None:
        """Take an event received at an instant; return the clean trade it was, or why it was dropped."""
        if isinstance(event, FeedRewind):
            self._rewind()
            return None
        outcome: FeedTrade | FeedQuote | FeedDepth | Reason | None = None
        if isinstance(event, FeedTrade):
            outcome = clean_trade(event)
        elif isinstance(event, FeedQuote):
            outcome = clean_quote(event)
        elif isinstance(event, FeedDepth):
            outcome = clean_depth(event)
        if isinstance(outcome, Reason):
            return outcome
        if isinstance(outcome, FeedTrade):
            self._take_trade(outcome)
        elif isinstance(outcome, FeedQuote):
            self._quote = outcome
        elif isinstance(outcome, FeedDepth):
            self._bids, self._asks = outcome.bids, outcome.asks
        if isinstance(event, FeedQuote | FeedHeartbeat):
            self._received_at = at  # a trade says nothing about whether the quote still stands
        return outcome if isinstance(outcome, FeedTrade) else None

    def seed(self, last: LastClose) -> None:
        """Start from the last price known before."""
        self._trade = FeedTrade(symbol=self.symbol, price=last.price, quantity=ZERO, executed_at=last.at)

    def _rewind(self) -> None:
        """Forget what stands, so that older trades may follow."""
        self._trade = None
        self._quote = None
        self._bids, self._asks = [], []
        self.previous_close = None

    def _take_trade(self, trade: FeedTrade) -> None:
        last = self._trade
        if last is not None and trade.executed_at < last.executed_at:
            return
        if last is not None and trade.executed_at.date() > last.executed_at.date():
            self.previous_close = last.price
        self._trade = trade

    def price(self) -> PriceUpdate | None:
        """Return the price as it stands; None until both a quote and a trade are known."""
        quote, trade = self._quote, self._trade
        if quote is None or trade is None or self._received_at is None:
            return None
        return PriceUpdate(
            symbol=self.symbol,
            bid=quote.bid,
            ask=quote.ask,
            bid_size=quote.bid_size,
            ask_size=quote.ask_size,
            last=trade.price,
            last_size=trade.quantity,
            executed_at=trade.executed_at,
            received_at=self._received_at,
            is_synthetic=quote.is_synthetic,
            is_open=self.is_open,
            previous_close=self.previous_close,
            bids=[level for level in self._bids if level[0] <= quote.bid],
            asks=[level for level in self._asks if level[0] >= quote.ask],
        )
