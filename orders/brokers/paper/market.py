"""What a paper venue knows of the world outside: last prices, pushed prices, trading sessions and halts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import msgspec
import structlog
from django.conf import settings
from redis import Redis, RedisError

from marketdata import selectors
from marketdata.domain.channels import PRICES
from marketdata.domain.types import Hours, InstrumentFacts, PriceUpdate, Session
from trading_portal.kernel.errors import Unavailable

LISTEN_SECONDS = 0.2
RETRY_SECONDS = 0.5
KEPT_FOR = timedelta(seconds=1)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a venue has to know of an instrument now: its session, its grid, and whether trading is halted.

    `extended` is the session with the hours around it, `opening_at` and `closing_at` the auctions that orders may be
    for; None where there are none.
    """

    session: Session
    extended: Session | None = None
    opening_at: datetime | None = None
    closing_at: datetime | None = None
    tick: Decimal = Decimal("0.01")
    lot: Decimal = Decimal(1)
    is_halted: bool = False

    @property
    def has_nights(self) -> bool:
        """Tell whether there is a time between two sessions, in which orders rest."""
        closes_at, next_open_at = self.session.closes_at, self.session.next_open_at
        return closes_at is not None and next_open_at is not None and next_open_at != closes_at

    @property
    def opens_next_at(self) -> datetime | None:
        """Return the next opening that is still to come."""
        return self.session.next_open_at if self.session.is_open else self.session.opens_at

    @property
    def is_in_extended_hours(self) -> bool:
        """Tell whether orders for extended hours may trade now."""
        return self.extended is None or self.extended.is_open

    def day_ends_at(self, *, extended_hours: bool) -> datetime | None:
        """Return when a day order sent now ends; None: never."""
        return (self.extended or self.session).closes_at if extended_hours else self.session.closes_at


class Market(Protocol):
    """What a venue knows of the world outside: prices and listings."""

    def quotes(self, symbols: Collection[str]) -> Mapping[str, PriceUpdate]:
        """Return the prices that are there now; a symbol without one is left out."""
        ...

    def listings(self, symbols: Collection[str], at: datetime) -> Mapping[str, Listing]:
        """Return what is listed; an unknown symbol is left out."""
        ...


class LiveMarket:
    """Answer from the market data app. One thread only."""

    def __init__(self) -> None:
        self._instruments: dict[str, tuple[datetime, InstrumentFacts]] = {}
        self._sessions: dict[str, tuple[datetime, Sequence[Session]]] = {}

    def quotes(self, symbols: Collection[str]) -> Mapping[str, PriceUpdate]:
        """Return the fresh prices; none at all while they cannot be read."""
        try:
            return selectors.quotes_latest(symbols)
        except Unavailable as error:
            log.warning("paper.prices_unavailable", error=str(error))
            return {}

    def listings(self, symbols: Collection[str], at: datetime) -> Mapping[str, Listing]:
        """Return what is listed, at most a second old; an unknown symbol is left out."""
        old = [symbol for symbol in symbols if not self._is_fresh(self._instruments.get(symbol), at)]
        if old:
            found = selectors.instruments_by_symbol(old)
            self._instruments.update({symbol: (at, facts) for symbol, facts in found.items()})
        return {
            symbol: self._listing(self._instruments[symbol][1], at) for symbol in symbols if symbol in self._instruments
        }

    def _listing(self, facts: InstrumentFacts, at: datetime) -> Listing:
        regular, extended, opening, closing = self._sessions_of(facts, at)
        return Listing(
            regular, extended, opening.opens_at, closing.closes_at, facts.tick_size, facts.lot_size, facts.is_halted
        )

    def _sessions_of(self, facts: InstrumentFacts, at: datetime) -> Sequence[Session]:
        """Return the sessions of a calendar: regular, extended, that of the next opening and of the next close."""
        kept = self._sessions.get(facts.calendar)
        if kept is None or not self._is_fresh(kept, at):
            kept = (at, [selectors.session_at(facts, at, hours) for hours in Hours])
            self._sessions[facts.calendar] = kept
        return kept[1]

    @staticmethod
    def _is_fresh(kept: tuple[datetime, object] | None, at: datetime) -> bool:
        return kept is not None and kept[0] <= at < kept[0] + KEPT_FOR


class PriceTap:
    """Keep the newest pushed price of each symbol for one venue, until it is taken."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._pending: dict[str, PriceUpdate] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to listen."""
        _listener.add(self)

    def stop(self) -> None:
        """Stop listening, within about a second."""
        _listener.remove(self)

    def take(self) -> Mapping[str, PriceUpdate]:
        """Return what came since the last call."""
        with self._lock:
            taken, self._pending = self._pending, {}
        return taken

    def keep(self, updates: Iterable[PriceUpdate]) -> None:
        """Keep the newest price of each symbol until it is taken."""
        with self._lock:
            self._pending.update((update.symbol, update) for update in updates)
        self._wake()


class _Listener:
    """Listen to the pushed prices once for all venues of this process, on a thread that lives as long as any."""

    def __init__(self) -> None:
        self._taps: frozenset[PriceTap] = frozenset()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._decoder = msgspec.json.Decoder(list[PriceUpdate])

    def add(self, tap: PriceTap) -> None:
        """Listen for one more."""
        with self._lock:
            self._taps |= {tap}
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="paper-prices", daemon=True)
                self._thread.start()

    def remove(self, tap: PriceTap) -> None:
        """Listen for one less; after the last, not at all."""
        with self._lock:
            self._taps -= {tap}
            if self._taps or self._thread is None:
                return
            ended, self._thread = self._thread, None
        ended.join(LISTEN_SECONDS * 3)

    def _is_wanted(self) -> bool:
        return self._thread is threading.current_thread()

    def _run(self) -> None:
        while self._is_wanted():
            try:
                self._listen()
            except RedisError as error:
                log.warning("paper.prices_lost", error=str(error))
                time.sleep(RETRY_SECONDS)

    def _listen(self) -> None:
        client = Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=5, health_check_interval=2)
        with client, client.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(PRICES)
            while self._is_wanted():
                message = channel.get_message(timeout=LISTEN_SECONDS)
                if message is not None:
                    updates = self._decode(message["data"])
                    for tap in self._taps:
                        tap.keep(updates)

    def _decode(self, data: bytes) -> list[PriceUpdate]:
        try:
            return self._decoder.decode(data)
        except msgspec.MsgspecError as error:
            log.error("paper.price_unreadable", error=str(error))
            return []


_listener = _Listener()
