"""What a paper venue knows of the world outside: last prices, pushed prices and trading sessions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta

import msgspec
import structlog
from django.conf import settings
from redis import Redis, RedisError

from marketdata import selectors
from marketdata.domain.channels import PRICES
from marketdata.domain.types import InstrumentFacts, PriceUpdate
from trading_portal.kernel.errors import Unavailable

LISTEN_SECONDS = 0.2
RETRY_SECONDS = 0.5
SESSION_KEPT_FOR = timedelta(seconds=1)
log = structlog.get_logger(__name__)


class LiveMarket:
    """Answer from the market data app. One thread only."""

    def __init__(self) -> None:
        self._instruments: dict[str, InstrumentFacts] = {}
        self._ends: dict[str, tuple[datetime, datetime | None]] = {}

    def quotes(self, symbols: Collection[str]) -> Mapping[str, PriceUpdate]:
        """Return the fresh prices; none at all while they cannot be read."""
        try:
            return selectors.quotes_latest(symbols)
        except Unavailable as error:
            log.warning("paper.prices_unavailable", error=str(error))
            return {}

    def day_ends_at(self, symbols: Collection[str], at: datetime) -> Mapping[str, datetime | None]:
        """Return when a day order sent now ends (None: never); an unknown symbol is left out."""
        missing = [symbol for symbol in symbols if symbol not in self._instruments]
        if missing:
            self._instruments.update(selectors.instruments_by_symbol(missing))
        return {
            symbol: self._day_end(self._instruments[symbol], at) for symbol in symbols if symbol in self._instruments
        }

    def _day_end(self, instrument: InstrumentFacts, at: datetime) -> datetime | None:
        kept = self._ends.get(instrument.calendar)
        if kept is None or not kept[0] <= at < kept[0] + SESSION_KEPT_FOR:
            kept = (at, selectors.session_at(instrument, at).closes_at)
            self._ends[instrument.calendar] = kept
        return kept[1]


class PriceTap:
    """Listen to the pushed prices on a thread of its own, keeping the newest of each symbol until it is taken."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._pending: dict[str, PriceUpdate] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._decoder = msgspec.json.Decoder(list[PriceUpdate])
        self._thread = threading.Thread(target=self._run, name="paper-prices", daemon=True)

    def start(self) -> None:
        """Begin to listen; a lost connection is made again until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, within about a second."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(LISTEN_SECONDS * 3)

    def take(self) -> Mapping[str, PriceUpdate]:
        """Return what came since the last call."""
        with self._lock:
            taken, self._pending = self._pending, {}
        return taken

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except RedisError as error:
                log.warning("paper.prices_lost", error=str(error))
                self._stopping.wait(RETRY_SECONDS)

    def _listen(self) -> None:
        client = Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=5, health_check_interval=2)
        with client, client.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(PRICES)
            while not self._stopping.is_set():
                message = channel.get_message(timeout=LISTEN_SECONDS)
                if message is not None:
                    self.keep(self._decode(message["data"]))

    def _decode(self, data: bytes) -> list[PriceUpdate]:
        try:
            return self._decoder.decode(data)
        except msgspec.MsgspecError as error:
            log.error("paper.price_unreadable", error=str(error))
            return []

    def keep(self, updates: Iterable[PriceUpdate]) -> None:
        """Keep the newest price of each symbol until it is taken."""
        with self._lock:
            self._pending.update((update.symbol, update) for update in updates)
        self._wake()
