"""Play a recording back: at its own speed, faster, as fast as it goes, once or for ever."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import structlog

from marketdata.domain.types import FeedEvent, FeedHeartbeat, FeedQuote, FeedRewind, FeedTrade, InstrumentFacts
from marketdata.feeds.recording import Recording, Row
from trading_portal.kernel.errors import InvalidInput, reason
from trading_portal.kernel.money import parse, to_tick

MAX_SPEED = "max"
FASTEST = Decimal(100_000)
ROWS_PER_POLL = 2000
HEARTBEAT = timedelta(seconds=1)
REFUSALS_LOGGED = 20
BASIS_POINTS = Decimal(10_000)

log = structlog.get_logger(__name__)


def speed_of(text: str) -> Decimal | None:
    """Return how many times faster than life to play, None for as fast as it goes; raise InvalidInput otherwise."""
    if text == MAX_SPEED:
        return None
    speed = parse(text)
    if speed is None or not 0 < speed <= FASTEST:
        sentence = f"The replay speed is {text!r}; it must be {MAX_SPEED}, or a number up to {FASTEST} such as 1 or 60."
        raise InvalidInput(reason("REPLAY_SPEED_WRONG", speed=text), sentence)
    return speed


class ReplayFeed:
    """Play one instrument's recording; trades keep the file's own times.

    Where the recording has no quotes, each trade makes one: last price, half the spread to either side, on the tick
    grid, marked synthetic. Between trades the standing quote is confirmed; when a recording that is played once has
    ended, nobody confirms it any more and it goes stale.
    """

    name = "replay"

    def __init__(
        self,
        instrument: InstrumentFacts,
        recording: Recording,
        *,
        speed: Decimal | None,
        spread_bps: Decimal,
        is_looped: bool = False,
    ) -> None:
        self.symbols: tuple[str, ...] = (instrument.symbol,)
        self.is_over = False
        self.pass_number = 0
        self.trades_played = 0
        self._instrument = instrument
        self._recording = recording
        self._speed = speed
        self._half_spread = spread_bps / BASIS_POINTS / 2
        self._is_looped = is_looped
        self._rows: Iterator[Row] = iter(())
        self._next: Row | None = None
        self._has_quotes = False
        self._played = timedelta(0)
        self._polled_at: datetime | None = None
        self._first_at: datetime | None = None
        self._confirmed_at: datetime | None = None
        self._refusals_seen = 0

    def start(self, at: datetime) -> None:
        """Begin the recording's first pass; raise InvalidInput when there is nothing in it to play."""
        self.pass_number = 0
        self._begin_pass(at)
        if self.is_over:
            why = reason("RECORDING_EMPTY", symbol=self.symbols[0], refused_rows=self._recording.refused_count)
            raise InvalidInput(why, f"The recording for {self.symbols[0]} has no row that can be played.")

    def stop(self) -> None:
        """Let go of the files."""
        self._recording.close()

    def poll(self, at: datetime) -> Sequence[FeedEvent]:
        """Return the rows whose time has come; a pass never shares a poll with the next one."""
        events: list[FeedEvent] = []
        if self.is_over:
            return events
        if self._next is None:
            self._begin_pass(at)
            events.append(FeedRewind(symbol=self.symbols[0], pass_number=self.pass_number))
        due_until = self._time_in_recording(at)
        taken = 0
        while self._next is not None and taken < ROWS_PER_POLL and (due_until is None or self._next[0] <= due_until):
            events += self._events_of(self._next)
            self._next = next(self._rows, None)
            taken += 1
        self._report_refusals()
        if self._next is None:
            self._end_pass()
        if self._confirmed_at is None or abs(at - self._confirmed_at) >= HEARTBEAT:
            self._confirmed_at = at
            events.append(FeedHeartbeat(symbols=self.symbols, at=at))
        return events

    def _begin_pass(self, at: datetime) -> None:
        self.pass_number += 1
        self._refusals_seen = 0
        self._rows = self._recording.rows()
        self._next = next(self._rows, None)
        self._played, self._polled_at = timedelta(0), at
        self._first_at = self._next[0] if self._next else None
        self.is_over = self._next is None
        self._has_quotes = False

    def _end_pass(self) -> None:
        log.info(
            "feed.recording_played",
            symbol=self.symbols[0],
            pass_number=self.pass_number,
            trades=self.trades_played,
            refused_rows=self._recording.refused_count,
        )
        self.is_over = not self._is_looped

    def _time_in_recording(self, at: datetime) -> datetime | None:
        """Return how far the recording's own clock has come, which never goes back; None when it is not waited for."""
        self._played += max(at - (self._polled_at or at), timedelta(0))
        self._polled_at = at
        if self._speed is None or self._first_at is None:
            return None
        return self._first_at + self._played * float(self._speed)

    def _events_of(self, row: Row) -> list[FeedEvent]:
        events: list[FeedEvent] = []
        for event in row[1]:
            if isinstance(event, FeedQuote):
                self._has_quotes = True
                events.append(event)
            else:
                self.trades_played += 1
                if not self._has_quotes:
                    events.append(self._synthetic_quote(event))
                events.append(event)
        return events

    def _synthetic_quote(self, trade: FeedTrade) -> FeedQuote:
        tick = self._instrument.tick_size
        away = trade.price * self._half_spread
        bid = to_tick(trade.price - away, tick=tick, rounding=ROUND_FLOOR)
        ask = to_tick(trade.price + away, tick=tick, rounding=ROUND_CEILING)
        return FeedQuote(
            symbol=trade.symbol,
            bid=max(bid, tick),
            ask=max(ask, bid, tick),
            bid_size=trade.quantity,
            ask_size=trade.quantity,
            quoted_at=trade.executed_at,
            is_synthetic=True,
        )

    def _report_refusals(self) -> None:
        refused = self._recording.refused
        for why in refused[self._refusals_seen :]:
            self._refusals_seen += 1
            if self.pass_number == 1 and self._refusals_seen <= REFUSALS_LOGGED:
                log.error("feed.row_refused", count=self._refusals_seen, **why.facts)
