"""`/stream`: Alpaca's account stream. Authenticate, listen, and hear every trade update, in order, without a gap."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from accounts.api.authentication import credentials_usable
from accounts.domain.keys import SCOPE_READ, grant_refusal
from accounts.domain.types import KeyGrant
from accounts.selectors import keys_verify
from audit.selectors import events_of_account
from marketdata.hub import TooManyConnections
from orders.api.stream_codec import FrameError, frame_read, frame_write
from orders.api.trade_updates import trade_update
from orders.broadcasts import event_summary, former_json, known_by, order_json
from orders.eventstream import UNAVAILABLE, AccountFollower
from orders.selectors import orders_by_id
from trading_portal.kernel import clock

TRADE_UPDATES = "trade_updates"
MALFORMED, UNAUTHORIZED = 4400, 4401
AUTHENTICATE_SECONDS = 10.0
VERIFY_SECONDS = 10.0
PAGE = 500

log = structlog.get_logger(__name__)
Facts = Mapping[str, Any]


class TradeStream(AsyncWebsocketConsumer):
    """One connection: one key, one account."""

    # No layer: the hub carries everything, and a waiting Redis read for each connection would drown the server.
    channel_layer_alias = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._credentials: tuple[str, str] | None = None
        self._grant: KeyGrant | None = None
        self._follower: AccountFollower | None = None
        self._sequence = 0
        self._order = asyncio.Lock()
        self._guard: asyncio.Task[None] | None = None
        self._is_packed = False

    async def connect(self) -> None:
        """Accept anybody, for a short while."""
        headers = dict(self.scope["headers"])
        self._is_packed = headers.get(b"content-type") == b"application/msgpack"
        await self.accept()
        self._guard = asyncio.get_running_loop().create_task(self._guard_key())

    async def disconnect(self, code: int) -> None:
        """Stop following."""
        if self._guard is not None:
            self._guard.cancel()
        if self._follower is not None:
            self._follower.stop()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Act on one frame."""
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

    # Who reads

    async def _authenticate(self, action: str, data: Facts) -> None:
        secret = data.get("secret_key") or data.get("secret")
        credentials = credentials_usable(data.get("key_id") or data.get("key"), secret)
        grant = await self._verified(credentials)
        if grant is None or (self._grant is not None and self._grant.account_id != grant.account_id):
            await self._answer("authorization", {"status": "unauthorized", "action": action})
            await self.close(UNAUTHORIZED)
            return
        self._credentials, self._grant = credentials, grant
        await self._answer("authorization", {"status": "authorized", "action": action})

    async def _verified(self, credentials: tuple[str, str] | None) -> KeyGrant | None:
        """Return what the credentials grant now, None when they grant no reading from here."""
        if credentials is None:
            return None
        (grant,) = await database_sync_to_async(keys_verify)([credentials], clock.now())
        address = (self.scope.get("client") or ("",))[0]
        if grant is None or grant_refusal(grant, scope=SCOPE_READ, address=address) is not None:
            return None
        return grant

    async def _guard_key(self) -> None:
        """Close a connection that does not authenticate, or whose key is revoked, expired or narrowed."""
        await asyncio.sleep(AUTHENTICATE_SECONDS)
        while self._grant is not None:
            await asyncio.sleep(VERIFY_SECONDS)
            if await self._verified(self._credentials) is None:
                break
        await self.close(UNAUTHORIZED)

    # What is read

    async def _listen(self, streams: object) -> None:
        wanted = [stream for stream in streams if isinstance(stream, str)] if isinstance(streams, list) else []
        if TRADE_UPDATES not in wanted:
            self._forget()
        elif self._follower is None and not await self._follow():
            return
        await self._answer("listening", {"streams": [TRADE_UPDATES] if TRADE_UPDATES in wanted else []})

    def _forget(self) -> None:
        if self._follower is not None:
            self._follower.stop()
            self._follower = None

    async def _follow(self) -> bool:
        assert self._grant is not None
        self._follower = AccountFollower(self._grant.account_id, self._heard, self.close)
        try:
            async with self._order:
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


def _log_read(account_id: UUID, since: int) -> tuple[list[dict[str, Any]], dict[str, Facts]]:
    """Return a page of an account's events, as the hub's messages hold them, and the orders they speak of."""
    logged = events_of_account(account_id, since, PAGE)
    events = [event_summary(event) for event in logged]
    orders = orders_by_id({UUID(str(event["order_id"])) for event in events if event["order_id"]})
    former = former_json([(event.type, event.payload) for event in logged], orders)
    shown = [*map(order_json, orders.values()), *former]
    return events, {str(order["id"]): order for order in shown}
