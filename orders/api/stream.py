"""`/stream`: Alpaca's account stream. Authenticate, listen, and hear every trade update, in order, without a gap."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from accounts.api.authentication import credentials_usable
from accounts.api.gathering import Gathering
from accounts.consumers import get_guard
from accounts.domain.keys import SCOPE_READ, grant_refusal
from accounts.domain.types import KeyGrant
from accounts.selectors import keys_verify
from audit.selectors import events_of_account
from marketdata.hub import HubClient, TooManyConnections, get_hub
from orders.api.stream_codec import FrameError, frame_read, frame_write
from orders.api.trade_updates import trade_update
from orders.broadcasts import event_summary, former_json, known_by, order_json
from orders.eventstream import UNAVAILABLE, AccountFollower
from orders.selectors import orders_by_id
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

TRADE_UPDATES = "trade_updates"
MALFORMED, UNAUTHORIZED = 4400, 4401
AUTHENTICATE_SECONDS = 10.0
VERIFY_SECONDS, URGENT_SECONDS = 10.0, 1.0
"""How often a key is asked about; and when it is known that something changed, but not yet what."""
UNVERIFIED_POLLS = 3
"""So often in a row a key may stay unchecked, for want of the database, before its connection ends."""
PAGE = 500

log = structlog.get_logger(__name__)
Facts = Mapping[str, Any]


class TradeStream(AsyncWebsocketConsumer):
    """One connection: one person, one account, and from the first moment on one of the hub's places."""

    # No layer: the hub carries everything, and a waiting Redis read for each connection would drown the server.
    channel_layer_alias = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._credentials: tuple[str, str] | None = None
        self._grant: KeyGrant | None = None
        self._place: HubClient | None = None
        self._follower: AccountFollower | None = None
        self._sequence = 0
        self._order = asyncio.Lock()
        self._guard: asyncio.Task[None] | None = None
        self._must_ask = asyncio.Event()
        self._is_packed = False

    async def __call__(self, *given: Any) -> None:
        """Serve, and leave nothing behind however that ends: a failure is not told to `disconnect`."""
        try:
            await super().__call__(*given)
        finally:
            if self._guard is not None:
                self._guard.cancel()
            self._leave()

    async def connect(self) -> None:
        """Accept anybody, for a short while."""
        headers = dict(self.scope["headers"])
        self._is_packed = headers.get(b"content-type") == b"application/msgpack"
        await self.accept()
        if await self._take_place():
            self._guard = asyncio.get_running_loop().create_task(self._guard_key())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Act on one frame."""
        if self._place is None:
            return
        try:
            message, is_packed = frame_read(text_data, bytes_data)
        except FrameError:
            await self.close(MALFORMED)
            return
        self._is_packed = self._is_packed or is_packed
        action = message.get("action")
        given = message.get("data")
        data: Facts = given if isinstance(given, dict) else message
        if action in ("authenticate", "auth"):
            await self._authenticate(action, data)
        elif self._grant is None:
            await self._answer("authorization", {"status": "unauthorized", "action": str(action)[:40]})
        elif action == "listen":
            await self._listen(data.get("streams"))
        else:
            await self._answer("error", {"code": 400, "message": "unknown action"})

    async def _answer(self, stream: str, data: Facts) -> None:
        await self.send(bytes_data=frame_write({"stream": stream, "data": data}, is_packed=self._is_packed))

    # The place it takes

    async def _take_place(self) -> bool:
        """Count as the person's, or as nobody's in particular before one is known; close where there is no room."""
        self._leave()
        try:
            # Left and taken without a wait between: nobody else gets in.
            self._place = get_hub().join(_pass_over, self.close, self._grant.user_id if self._grant else uuid7())
        except TooManyConnections as error:
            await self.close(error.code)
            return False
        return True

    def _leave(self) -> None:
        """Hear nothing and count no more; harmless when repeated."""
        if self._follower is not None:
            self._follower.stop()
        if self._place is not None:
            self._place.leave()
        self._follower = self._place = None

    # Who reads

    async def _authenticate(self, action: str, data: Facts) -> None:
        secret = data.get("secret_key") or data.get("secret")
        credentials = credentials_usable(data.get("key_id") or data.get("key"), secret)
        try:
            grant = await self._verified(credentials)
        except Exception as error:  # noqa: BLE001 - who cannot be checked is not let in, and may come again
            log.warning("trade_stream.not_verified", error=repr(error))
            await self.close(UNAVAILABLE)
            return
        if grant is None or (self._grant is not None and _reads(self._grant) != _reads(grant)):
            await self._answer("authorization", {"status": "unauthorized", "action": action})
            await self.close(UNAUTHORIZED)
            return
        is_first = self._grant is None
        self._credentials, self._grant = credentials, grant
        self._must_ask.set()
        if not is_first or await self._take_place():
            await self._answer("authorization", {"status": "authorized", "action": action})

    async def _verified(self, credentials: tuple[str, str] | None) -> KeyGrant | None:
        """Return what the credentials grant now, None when no reading from here; raise when that cannot be told."""
        address = (self.scope.get("client") or ("",))[0]
        return None if credentials is None else await key_verified(credentials, address)

    async def _guard_key(self) -> None:
        """Close a connection that does not authenticate, or whose key is revoked, expired, narrowed or unchecked."""
        try:
            async with asyncio.timeout(AUTHENTICATE_SECONDS):
                await self._must_ask.wait()
        except TimeoutError:
            code = UNAUTHORIZED
        else:
            assert self._grant is not None
            code = await key_lapsed(self._grant.user_id, lambda: self._verified(self._credentials), self._must_ask)
        # Nothing more goes out, even to a reader that takes its time over the goodbye.
        self._leave()
        await self.close(code)

    # What is read

    async def _listen(self, streams: object) -> None:
        wanted = [stream for stream in streams if isinstance(stream, str)] if isinstance(streams, list) else []
        if TRADE_UPDATES not in wanted:
            if self._follower is not None and not await self._take_place():
                return
        elif self._follower is None and not await self._follow():
            return
        await self._answer("listening", {"streams": [TRADE_UPDATES] if TRADE_UPDATES in wanted else []})

    async def _follow(self) -> bool:
        assert self._grant is not None
        assert self._place is not None
        person_id = self._grant.user_id
        self._follower = AccountFollower(self._grant.account_id, self._heard, self.close, person_id=person_id)
        try:
            async with self._order:
                # The follower takes its place, before anybody else can.
                self._place.leave()
                self._sequence = await self._follower.start()
        except TooManyConnections as error:
            await self.close(error.code)
            return False
        except Exception as error:  # noqa: BLE001 - a reader that cannot be told anything must connect again
            log.warning("trade_stream.not_started", error=repr(error))
            await self.close(UNAVAILABLE)
            return False
        return True

    async def _heard(self, message: Facts | None) -> None:
        """Send what a message tells; where it does not follow what was sent, send what the log tells."""
        async with self._order:
            if message is not None and message["prev"] <= self._sequence:
                orders = {order["id"]: order for order in (*message["orders"], *message.get("former", ()))}
                await self._tell(message["events"], orders)
                self._sequence = max(self._sequence, message["seq"])
                return
            while await self._tell_from_log():
                pass

    async def _tell_from_log(self) -> bool:
        """Send one page of the log; tell whether there may be more."""
        assert self._grant is not None
        events, orders = await database_sync_to_async(_log_read)(self._grant.account_id, self._sequence)
        await self._tell(events, orders)
        if events:
            self._sequence = events[-1]["account_sequence"]
        return len(events) == PAGE

    async def _tell(self, events: Iterable[Facts], orders: Mapping[str, Facts]) -> None:
        for event in events:
            facts = event["facts"]
            if event["account_sequence"] <= self._sequence:
                continue
            if event["type"] == "api_key.revoked" and self._grant and facts["key_id"] == self._grant.key_id:
                await self.close(UNAUTHORIZED)
                return
            order = orders.get(str(known_by(event["type"], facts)))
            if order is None:
                continue
            update = trade_update(event["type"], facts, order, valid_at=event["valid_at"], at=event["recorded_at"])
            if update is not None:
                await self._answer(TRADE_UPDATES, update)


async def key_verified(credentials: tuple[str, str], address: str) -> KeyGrant | None:
    """Return what credentials grant now, None when no reading from there; raise when that cannot be told."""
    grant = await _keys().ask(credentials)
    if grant is None or grant_refusal(grant, scope=SCOPE_READ, address=address) is not None:
        return None
    return grant


async def key_lapsed(
    person_id: UUID, verified: Callable[[], Awaitable[KeyGrant | None]], must_ask: asyncio.Event
) -> int:
    """Return, once a key no longer holds or could not be asked about for long, with which code its stream ends.

    It is asked about now, whenever `must_ask` is set or its person's access changes, and now and then; it ends in time.
    """
    unverified, is_urgent, expires_at = 0, True, None
    with get_guard().telling(person_id, must_ask.set):
        while True:
            is_urgent = is_urgent or must_ask.is_set()
            must_ask.clear()
            try:
                grant = await verified()
            except Exception as error:  # noqa: BLE001 - whatever it was, the key must be asked about again
                unverified += 1
                log.warning("stream.not_verified", error=repr(error), polls=unverified)
                if unverified >= UNVERIFIED_POLLS:
                    return UNAVAILABLE
            else:
                if grant is None:
                    return UNAUTHORIZED
                unverified, is_urgent, expires_at = 0, False, grant.expires_at
            await _set_within(must_ask, URGENT_SECONDS if is_urgent else VERIFY_SECONDS, expires_at)
            if expires_at is not None and expires_at <= clock.now() and not must_ask.is_set():
                return UNAUTHORIZED


async def _set_within(event: asyncio.Event, seconds: float, until: datetime | None) -> None:
    """Wait until an event is set, but no longer than so many seconds, nor past an instant."""
    left = seconds if until is None else min(seconds, (until - clock.now()).total_seconds())
    with suppress(TimeoutError):
        async with asyncio.timeout(max(left, 0)):
            await event.wait()


def _reads(grant: KeyGrant) -> tuple[UUID, UUID]:
    """Return who reads what: neither changes while a connection lasts."""
    return grant.user_id, grant.account_id


async def _pass_over(frame: str) -> None:
    """Pass over what the hub tells everybody: a connection that does not listen only has its place there."""


def _keys_verify_now(credentials: Sequence[tuple[str, str]]) -> list[KeyGrant | None]:
    return keys_verify(credentials, clock.now())


@functools.cache
def _keys() -> Gathering[tuple[str, str], KeyGrant | None]:
    """Return who looks keys up, for many connections in one statement; no more wait than there are connections."""
    return Gathering(_keys_verify_now, name="stream-keys", capacity=sys.maxsize)


def _log_read(account_id: UUID, since: int) -> tuple[list[dict[str, Any]], dict[str, Facts]]:
    """Return a page of an account's events, as the hub's messages hold them, and the orders they speak of."""
    logged = events_of_account(account_id, since, PAGE)
    events = [event_summary(event) for event in logged]
    orders = orders_by_id({UUID(str(event["order_id"])) for event in events if event["order_id"]})
    former = former_json([(event.type, event.payload) for event in logged], orders)
    shown = [*map(order_json, orders.values()), *former]
    return events, {str(order["id"]): order for order in shown}
