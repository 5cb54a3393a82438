"""The hub: one Redis subscription, many readers."""

from __future__ import annotations

import asyncio
import random
import resource
import sys
from collections import defaultdict
from collections.abc import Collection
from uuid import UUID
from weakref import WeakKeyDictionary

import msgspec
import redis.asyncio as redis
import structlog
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from accounts.consumers import get_guard
from accounts.domain import access
from marketdata.domain import channels
from marketdata.domain.types import CandleMessage, PriceUpdate
from marketdata.hub.accounts import AccountMessage, delta_of
from marketdata.hub.board import Board, text
from marketdata.hub.client import Close, HubClient, Send
from marketdata.hub.frames import Frame, Line
from marketdata.hub.metrics import CONNECTIONS, DROPPED, FRAMES
from marketdata.hub.wheel import TURNS_PER_SECOND, Wheel
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.memory import resident_bytes

HEARTBEAT_SECONDS = 5
CONNECTIONS_PER_USER = 20
QUIET_SECONDS = 5.0
UNFOLLOW_SECONDS = 60.0
REPORT_SECONDS = 60
SPARE_FILES = 256
_BACKOFF_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)

log = structlog.get_logger(__name__)


def _room() -> int:
    """Return how many readers leave files enough for requests, the database and Redis."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if files == resource.RLIM_INFINITY else max(files - SPARE_FILES, files // 2)


class TooManyConnections(Exception):
    """Say that a person, or this process, already has as many connections as there may be: close with `code`."""

    def __init__(self, *, is_full: bool = False) -> None:
        super().__init__()
        self.is_full = is_full
        self.code = 4503 if is_full else 4429


class Hub:
    """Receive once, encode once, send to many; belongs to one event loop."""

    def __init__(self, redis_url: str) -> None:
        self.board = Board()
        self.epoch = uuid7().hex
        self.most_readers = _room()
        self.frames_sent = 0
        self._redis_url = redis_url
        self._resident_before = resident_bytes()
        self._clients: dict[HubClient, None] = {}
        self._of_user: defaultdict[UUID, int] = defaultdict(int)
        self._of_account: defaultdict[str, dict[HubClient, None]] = defaultdict(dict)
        self._sets: dict[frozenset[str], frozenset[str]] = {}
        self._data = Wheel[HubClient](TURNS_PER_SECOND)
        self._beats = Wheel[HubClient](TURNS_PER_SECOND * HEARTBEAT_SECONDS)
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._has_readers = asyncio.Event()
        self._is_connected = asyncio.Event()
        self._followed: set[str] = set()
        self._to_follow = asyncio.Event()
        self._follows_changed = asyncio.Condition()
        self._prices = msgspec.json.Decoder(list[PriceUpdate])
        self._candles = msgspec.json.Decoder(list[CandleMessage])
        self._account_message = msgspec.json.Decoder(AccountMessage)

    def join(self, send: Send, close: Close, user_id: UUID, *, line: Line | None = None) -> HubClient:
        """Add a reader; raise TooManyConnections when this person has too many.

        What `line` cannot write at once, and everything where there is none, goes through `send`.
        """
        if (refusal := self.refusal(user_id)) is not None:
            raise refusal
        if not self._tasks:
            self.keep(asyncio.get_running_loop().create_task(self._receive(), name="hub-receive"))
            self.keep(asyncio.get_running_loop().create_task(self._turn(), name="hub-turn"))
        self._number += 1
        client = HubClient(self, send, close, user_id, self._number, line)
        self._clients[client] = None
        CONNECTIONS.inc()
        self._of_user[user_id] += 1
        self._beats.add(client)
        self._has_readers.set()
        return client

    def refusal(self, user_id: UUID) -> TooManyConnections | None:
        """Return why this person cannot have one more connection now, or None."""
        if self._of_user.get(user_id, 0) >= CONNECTIONS_PER_USER:
            return TooManyConnections()
        if len(self._clients) >= self.most_readers:
            return TooManyConnections(is_full=True)
        return None

    async def connected(self) -> None:
        """Wait until the Redis subscription stands, that of every watched account included."""
        await self._is_connected.wait()
        async with self._follows_changed:
            await self._follows_changed.wait_for(lambda: self._of_account.keys() <= self._followed)

    async def close(self) -> None:
        """End every reader and the hub's own tasks."""
        for client in list(self._clients):
            client.leave()
        while self._tasks:  # A cancellation while redis-py connects can get lost in it.
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=0.1)

    def load(self) -> dict[str, int]:
        """Return how many readers there are, and about how much memory each of them takes."""
        resident, readers = resident_bytes(), len(self._clients)
        each = (resident - self._resident_before) // readers if readers else 0
        return {"readers": readers, "room": self.most_readers, "resident_bytes": resident, "bytes_per_reader": each}

    def accounts_watched(self) -> list[str]:
        """Return the accounts that have readers here."""
        return list(self._of_account)

    def value_account(self, account_id: str, body: dict[str, object]) -> None:
        """Hand an account's readers its latest valuation, conflated."""
        readers = self._of_account.get(account_id)
        if readers:
            frame = Frame(text({"type": "valuation", "ch": "account", "account_id": account_id, **body}))
            for client in list(readers):
                client.take_valuation(account_id, frame)

    # What a client calls

    def forget(self, client: HubClient) -> None:
        """Take a reader out of everything."""
        if client not in self._clients:
            return
        del self._clients[client]
        CONNECTIONS.dec()
        self._of_user[client.user_id] -= 1
        if not self._of_user[client.user_id]:
            del self._of_user[client.user_id]
        self._data.remove(client)
        self._beats.remove(client)
        for account_id in client.accounts:
            self.unwatch_account(account_id, client)
        if not self._clients:
            self._count_frames()
            self._has_readers.clear()
            self._sets.clear()

    def schedule(self, client: HubClient, rate: int | None = None) -> None:
        """Give a reader its turns: `rate` a second, or what it has (four when it has none)."""
        if client in self._clients and (rate is not None or not self._data.holds(client)):
            self._data.remove(client)
            self._data.add(client, rate or 4)

    def shared_set(self, symbols: Collection[str]) -> frozenset[str]:
        """Return one set object for all readers with the same symbols, so that their frames are found fast."""
        wanted = frozenset(symbols)
        return self._sets.setdefault(wanted, wanted)

    def watch_account(self, account_id: str, client: HubClient) -> None:
        """Send an account's events to a reader."""
        self._of_account[account_id][client] = None
        if account_id not in self._followed:
            self._to_follow.set()

    def unwatch_account(self, account_id: str, client: HubClient) -> None:
        """Stop sending an account's events to a reader."""
        readers = self._of_account.get(account_id)
        if readers is not None:
            readers.pop(client, None)
            if not readers:
                del self._of_account[account_id]

    def keep(self, task: asyncio.Task[None]) -> None:
        """Hold a task until it is done."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # The two loops

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        turn, due_at = 0, loop.time()
        while True:
            await self._has_readers.wait()
            turn, due_at = turn + 1, max(due_at + 1 / TURNS_PER_SECOND, loop.time() - 0.2)
            await asyncio.sleep(due_at - loop.time())
            for client in self._data.due(turn):
                client.take_turn()
            beats = self._beats.due(turn)
            if beats:
                frame = Frame(text({"op": "hb", "ts": clock.now()}))
                for client in beats:
                    client.beat(frame)
            if turn % (TURNS_PER_SECOND * REPORT_SECONDS) == 0:
                log.info("hub.load", **self.load())
            if turn % TURNS_PER_SECOND == 0:
                self._count_frames()
                for client in [c for c in self._clients if c.is_stuck]:
                    log.warning("hub.reader_dropped", user_id=str(client.user_id), reason="slow")
                    DROPPED.inc()
                    client.drop()

    def _count_frames(self) -> None:
        """Count what was sent since the last time: counting each frame would cost as much as writing it."""
        FRAMES.inc(self.frames_sent)
        self.frames_sent = 0

    async def _receive(self) -> None:
        failures, was_connected = 0, False
        while True:
            try:
                async with self._connection() as connection, connection.pubsub() as subscription:
                    await subscription.subscribe(channels.PRICES, channels.CANDLES, access.CHANNEL)
                    self._restart(was_connected=was_connected)
                    was_connected, failures = True, 0
                    self._is_connected.set()
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(self._listen(subscription))
                        tasks.create_task(self._follow(subscription))
            except* (RedisError, OSError, TimeoutError) as error:
                log.warning("hub.redis_lost", error=str(error.exceptions[0]), failures=failures)
            except* Exception as error:
                # Whatever it was, a hub that no longer receives would leave every page stale without a word.
                log.exception("hub.receive_failed", error=repr(error.exceptions[0]), failures=failures)
            self._is_connected.clear()
            self._followed.clear()
            self._to_follow.set()
            delay = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)]
            failures += 1
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311

    def _connection(self) -> redis.Redis[bytes]:
        return redis.Redis.from_url(
            self._redis_url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=5, socket_keepalive=True
        )

    async def _listen(self, subscription: redis.client.PubSub) -> None:
        """Receive until the connection fails; a quiet one is asked whether it still lives."""
        asked = False
        while True:
            message = await subscription.get_message(timeout=QUIET_SECONDS)
            if message is None:
                if asked:
                    raise TimeoutError("Redis is silent")
                asked = True
                await subscription.ping()
            else:
                asked = False
                if message["type"] == "message":
                    self._take(message["channel"].decode(), message["data"])
                elif message["type"] == "subscribe":
                    await self._subscribed(message["channel"].decode())

    async def _subscribed(self, channel: str) -> None:
        """Note that an account's events arrive from now on."""
        if account_id := channels.account_of(channel):
            async with self._follows_changed:
                self._followed.add(account_id)
                self._follows_changed.notify_all()

    async def _follow(self, subscription: redis.client.PubSub) -> None:
        """Subscribe to accounts as they get readers; leave those, now and then, that have none any more."""
        asked: set[str] = set()
        while True:
            try:
                async with asyncio.timeout(UNFOLLOW_SECONDS):
                    await self._to_follow.wait()
            except TimeoutError:
                left = asked - self._of_account.keys()
                asked -= left
                self._followed -= left
                if left:
                    await subscription.unsubscribe(*map(channels.account_channel, left))
                continue
            self._to_follow.clear()
            wanted = self._of_account.keys() - asked
            asked |= wanted
            if wanted:
                await subscription.subscribe(*map(channels.account_channel, wanted))

    def _take(self, channel: str, data: bytes) -> None:
        try:
            if channel == channels.PRICES:
                self.board.take_prices(self._prices.decode(data))
            elif channel == channels.CANDLES:
                self.board.take_candles(self._candles.decode(data))
            elif channel == access.CHANNEL:
                get_guard().people_changed(access.people_read(data))
            else:
                message = self._account_message.decode(data)
                readers = self._of_account.get(message.account_id)
                if readers:
                    delta = delta_of(message)
                    for client in list(readers):
                        client.take_account(delta)
        except msgspec.MsgspecError as error:
            log.error("hub.message_unreadable", channel=channel, error=str(error))

    def _restart(self, *, was_connected: bool) -> None:
        """Tell every reader that may have missed a message."""
        missed = [client for client in self._clients if was_connected or client.has_live_account]
        if missed:
            self.epoch = uuid7().hex
        for client in missed:
            client.resync("restart")


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def get_hub() -> Hub:
    """Return the hub of the running event loop: one per web process."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = Hub(settings.REDIS_URL)
    return hub
