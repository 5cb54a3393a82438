"""`/ws`: everything a page follows, over one socket."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import Error as DatabaseError
from django.http.request import validate_host

from accounts.selectors import account_visible, session_person
from marketdata.hub import Hub, HubClient, TooManyConnections, get_hub
from orders.consumers.requests import LONGEST_MESSAGE, Request, request_read
from orders.consumers.snapshot import account_snapshot
from orders.consumers.valuation import valuations_start
from trading_portal.kernel import clock

MALFORMED, SIGNED_OUT, FORBIDDEN, TOO_MUCH, UNAVAILABLE = 4400, 4401, 4403, 4429, 4503
CONNECT_SECONDS = 5.0
GUARD_SECONDS = 15.0
REQUESTS, REQUESTS_SECONDS = 100, 10.0

log = structlog.get_logger(__name__)


class BrowserConsumer(AsyncWebsocketConsumer):
    """One page's connection: a signed-in person, whatever accounts and symbols the page follows."""

    # No layer: the hub carries everything, and a waiting Redis read for each connection would drown the server.
    channel_layer_alias = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._user_id: UUID | None = None
        self._hub: Hub | None = None
        self._client: HubClient | None = None
        self._guard: asyncio.Task[None] | None = None
        self._requested_at: deque[float] = deque(maxlen=REQUESTS)

    async def connect(self) -> None:
        """Accept, so that a refusal has a code the page can read; then check origin and person."""
        await self.accept()
        person = self.scope["user"]
        if not self._is_own_origin():
            await self.close(FORBIDDEN)
        elif not person.is_authenticated:
            await self.close(SIGNED_OUT)
        else:
            self._user_id = person.pk
            await self._join(person.pk)

    async def _join(self, user_id: UUID) -> None:
        self._hub = get_hub()
        try:
            self._client = self._hub.join(self._send_text, self.close, user_id)
        except TooManyConnections as error:
            await self.close(error.code)
            return
        self._guard = asyncio.get_running_loop().create_task(self._guard_session())

    async def disconnect(self, code: int) -> None:
        """Leave the hub."""
        if self._guard is not None:
            self._guard.cancel()
        if self._client is not None:
            self._client.leave()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Act on one request."""
        if self._client is None:
            return
        if text_data is None or len(text_data) > LONGEST_MESSAGE:
            await self.close(MALFORMED)
        elif self._asks_too_much():
            await self.close(TOO_MUCH)
        else:
            try:
                request = request_read(text_data)
            except msgspec.MsgspecError as error:
                self._client.reply({"op": "error", "id": None, "code": "REQUEST_MALFORMED", "message": str(error)})
                return
            await self._act(request, self._client)

    async def _send_text(self, frame: str) -> None:
        await self.send(text_data=frame)

    # What is asked

    async def _act(self, request: Request, client: HubClient) -> None:
        if request.op == "ping":
            client.reply({"op": "pong", "id": request.id, "ts": request.ts})
        elif request.op == "unsubscribe":
            client.unsubscribe(request.ch, request.sym, account_id=request.account_id)
            client.reply({"op": "ack", "id": request.id, "ch": request.ch})
        elif request.ch == "account":
            await self._follow_account(request, client)
        else:
            self._follow_prices(request, client)

    def _follow_prices(self, request: Request, client: HubClient) -> None:
        """Follow prices; a page shows one ladder and one chart, so a new one takes the old one's place."""
        if request.ch == "quotes":
            client.subscribe_quotes(request.syms, rate=request.rate, reply_to=request.id)
        elif request.ch == "depth" and request.sym:
            client.unsubscribe("depth")
            client.subscribe_depth(request.sym, reply_to=request.id)
        elif request.ch == "candles" and request.sym:
            client.unsubscribe("candles")
            client.subscribe_candles(request.sym, request.interval, reply_to=request.id)
        else:
            self._refuse(request, client, "CHANNEL_INCOMPLETE", "Name a channel, and its symbol.")

    async def _follow_account(self, request: Request, client: HubClient) -> None:
        """Follow an account that the person may see: first the hub keeps its events back, then the rows are read."""
        account_id, user_id = request.account_id, self._user_id
        if account_id is None or user_id is None:
            self._refuse(request, client, "ACCOUNT_REQUIRED", "Name the account.")
            return
        try:
            if await database_sync_to_async(account_visible)(user_id, account_id) is None:
                self._refuse(request, client, "ACCOUNT_NOT_FOUND", "There is no such account.")
                return
            client.unsubscribe("account", account_id=account_id)
            client.subscribe_account(account_id)
            async with asyncio.timeout(CONNECT_SECONDS):
                await get_hub().connected()
            sequence, snapshot = await database_sync_to_async(account_snapshot)(account_id, clock.now())
        except (TimeoutError, DatabaseError) as error:
            log.warning("ws.account_unavailable", account_id=str(account_id), error=repr(error))
            await self.close(UNAVAILABLE)
            return
        ack = {
            "op": "ack",
            "id": request.id,
            "ch": "account",
            "epoch": get_hub().epoch,
            "seq": sequence,
            "mode": "snapshot",
        }
        client.start_account(account_id, ack, snapshot, sequence)
        valuations_start(get_hub())

    def _refuse(self, request: Request, client: HubClient, code: str, message: str) -> None:
        client.reply({"op": "error", "id": request.id, "ch": request.ch, "code": code, "message": message})

    # Who asks

    def _is_own_origin(self) -> bool:
        """Tell whether the page that opened the socket is this site's; a browser always says."""
        headers = dict(self.scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin in settings.PUBLIC_ORIGINS:
            return True
        asked = urlsplit(origin)
        host = headers.get(b"host", b"").decode("latin-1")
        return bool(asked.netloc) and asked.netloc == host and validate_host(asked.hostname, settings.ALLOWED_HOSTS)

    def _asks_too_much(self) -> bool:
        now = clock.monotonic()
        is_full = len(self._requested_at) == REQUESTS and now - self._requested_at[0] < REQUESTS_SECONDS
        self._requested_at.append(now)
        return is_full

    async def _guard_session(self) -> None:
        """Close when the session ends, and stop accounts that the person may no longer see."""
        while True:
            await asyncio.sleep(GUARD_SECONDS)
            try:
                if await self._person_now() != self._user_id:
                    await self.close(SIGNED_OUT)
                    return
                await self._drop_hidden_accounts()
            except DatabaseError as error:
                log.warning("ws.guard_failed", error=repr(error))

    async def _person_now(self) -> UUID | None:
        session_key = self.scope["session"].session_key
        return await database_sync_to_async(session_person)(session_key) if session_key else None

    async def _drop_hidden_accounts(self) -> None:
        if self._client is None or self._user_id is None:
            return
        for account_id in list(self._client.accounts):
            if await database_sync_to_async(account_visible)(self._user_id, UUID(str(account_id))) is None:
                self._client.unsubscribe("account", account_id=account_id)
                message = "This account is no longer yours to see."
                self._client.reply({"op": "error", "ch": "account", "code": "ACCOUNT_NOT_FOUND", "message": message})
