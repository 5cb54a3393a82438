"""Run the feeds: prepare what they start from, then turn several times a second."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import structlog
from django.conf import settings
from django.db import connection, transaction

from marketdata.domain.types import FeedEvent, InstrumentFacts
from marketdata.feeds.history import history
from marketdata.feeds.protocol import FeedAdapter
from marketdata.feeds.recording import Recording
from marketdata.feeds.replay import ReplayFeed, speed_of
from marketdata.feeds.simulated import SimulatedFeed, starting_price
from marketdata.selectors import closes_last, closes_previous, instruments_all, instruments_by_symbol
from marketdata.services.candles import candles_forget, candles_store, instruments_without_candles
from marketdata.services.pipeline import Pipeline
from trading_portal.kernel import clock
from trading_portal.kernel.errors import InvalidInput, reason

TURN_SECONDS = 0.25
COMPLAIN_SECONDS = 30.0

log = structlog.get_logger(__name__)

Say = Callable[[str], None]


def feed_run(*, stop: threading.Event, beat: Callable[[], None], say: Say) -> None:
    """Run the configured feeds until stopped; raise a PortalError when they cannot start."""
    at = clock.now()
    feeds, simulated = feeds_prepare(at=at, beat=beat, say=say)
    ids = [instrument.id for instrument in simulated]
    lasts = closes_previous(ids, at + timedelta(days=1)) | closes_last(ids)
    pipeline = Pipeline(instruments_all(), previous_closes=closes_previous(ids, at), last_closes=lasts)
    connection.close()
    for feed in feeds:
        feed.start(clock.now())
        say(f"{feed.name} feed: {', '.join(feed.symbols)}")
    pipeline.start()
    try:
        feeds_turn(feeds=feeds, pipeline=pipeline, stop=stop, beat=beat)
    finally:
        pipeline.stop()
        for feed in feeds:
            feed.stop()


def feeds_turn(
    *, feeds: Sequence[FeedAdapter], pipeline: Pipeline, stop: threading.Event, beat: Callable[[], None]
) -> None:
    """Ask every feed for news, turn after turn; one that fails does not silence the others."""
    complain_at = dict.fromkeys(range(len(feeds)), 0.0)
    while not stop.is_set():
        began = clock.monotonic()
        beat()
        for number, feed in enumerate(feeds):
            events: Sequence[FeedEvent] = ()
            try:
                events = feed.poll(clock.now())
            except Exception as error:  # Its prices go stale, which everyone sees; the others go on.
                if began >= complain_at[number]:
                    complain_at[number] = began + COMPLAIN_SECONDS
                    log.exception("feed.failed", feed=feed.name, error=repr(error))
            pipeline.take(events, clock.now())
        stop.wait(max(0.0, TURN_SECONDS - (clock.monotonic() - began)))


def feeds_prepare(
    *, at: datetime, beat: Callable[[], None], say: Say
) -> tuple[list[FeedAdapter], list[InstrumentFacts]]:
    """Return the feeds that the settings name, and the instruments that are simulated, with a past to look at."""
    feeds: list[FeedAdapter] = []
    simulated = instruments_all()
    if settings.FEED == "replay":
        replayed = _replayed_instrument()
        feeds.append(_replay_feed(replayed))
        candles_forget(instrument_id=replayed.id)
        is_alone = settings.REPLAY_REST == "none"
        simulated = [] if is_alone else [one for one in simulated if one.id != replayed.id]
    if simulated:
        lasts = {one.symbol: close.price for one in simulated if (close := closes_last([one.id]).get(one.id))}
        history_ensure(instruments=simulated, lasts=lasts, at=at, beat=beat, say=say)
        feeds.append(SimulatedFeed(simulated, lasts))
    if not feeds:
        raise InvalidInput(reason("NOTHING_TO_FEED"), "There is no active instrument to make prices for.")
    return feeds, simulated


def _replayed_instrument() -> InstrumentFacts:
    symbol = settings.REPLAY_SYMBOL
    instrument = instruments_by_symbol([symbol]).get(symbol)
    if instrument is None:
        sentence = f"PORTAL_REPLAY_SYMBOL is {symbol!r}; it must be the symbol of an instrument that is there."
        raise InvalidInput(reason("INSTRUMENT_UNKNOWN", symbol=symbol), sentence)
    return instrument


def _replay_feed(instrument: InstrumentFacts) -> ReplayFeed:
    if not settings.REPLAY_FILE:
        why = reason("RECORDING_MISSING")
        raise InvalidInput(why, "PORTAL_FEED is replay, but PORTAL_REPLAY_FILE names no file.")
    quotes = Path(settings.REPLAY_QUOTES_FILE) if settings.REPLAY_QUOTES_FILE else None
    return ReplayFeed(
        instrument,
        Recording(instrument.symbol, Path(settings.REPLAY_FILE), quotes),
        speed=speed_of(settings.REPLAY_SPEED),
        spread_bps=Decimal(settings.REPLAY_SPREAD_BPS),
        is_looped=settings.REPLAY_LOOP,
    )


def history_ensure(
    *,
    instruments: Sequence[InstrumentFacts],
    lasts: dict[str, Decimal],
    at: datetime,
    beat: Callable[[], None],
    say: Say,
) -> int:
    """Give simulated instruments without any candle a made-up past, all of one walk; return how many got one."""
    missing = instruments_without_candles(instrument_ids=[instrument.id for instrument in instruments])
    new = [instrument for instrument in instruments if instrument.id in missing]
    ids = {instrument.symbol: instrument.id for instrument in new}
    ends = {instrument.symbol: starting_price(instrument, lasts.get(instrument.symbol)) for instrument in new}
    if not new:
        return 0
    for number, (symbol, bars) in enumerate(history(new, ends, at), start=1):
        beat()
        with transaction.atomic():
            candles_store(bars=bars, ids=ids)
        say(f"History of {symbol}: {len(bars)} candles ({number} of {len(new)})")
    return len(new)
