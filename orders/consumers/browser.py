"""`/ws`: everything a page follows, over one socket."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection
from typing import Any
from uuid import UUID

import msgspec
import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseError

from accounts.consumers import get_guard, is_own_origin, session_key_of
from accounts.selectors import account_visible
from marketdata.hub import Hub, HubClient, TooManyConnections, get_hub, line_of
from orders.consumers.requests import LONGEST_MESSAGE, Request, request_read
from orders.consumers.snapshot import snapshot_shared
from orders.consumers.valuation import valuations_start
from trading_portal.kernel import clock

MALFORMED, SIGNED_OUT, FORBIDDEN, TOO_MUCH, UNAVAILABLE = 4400, 4401, 4403, 4429, 4503
CONNECT_SECONDS = 5.0
REQUESTS, REQUESTS_SECONDS = 100, 10.0
NOBODY = UUID(int=0)

log = structlog.get_logger(__name__)


class BrowserConsumer(AsyncWebsocketConsumer):
    """One page's connection: a signed-in person, whatever accounts and symbols the page follows."""

    # No layer: the hub carries everything, and a waiting Redis read for each connection would drown the server.
    channel_layer_alias = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.session_key = ""
        self.person_id = NOBODY
        self._hub: Hub | None = None
        self._client: HubClient | None = None
        self._requested_at: deque[float] | None = None

    async def connect(self) -> None:
        """Accept, so that a refusal has a code the page can read; then check origin and person."""
        await self.accept()
        if not is_own_origin(self.scope, is_needed=True):
            await self.close(FORBIDDEN)
            return
        self.session_key = session_key_of(self.scope)
        try:
            person_id = await get_guard().person_of(self.session_key)
        except DatabaseError as error:
            log.warning("ws.person_unavailable", error=repr(error))
            await self.close(UNAVAILABLE)
            return
        if person_id is None:
            await self.close(SIGNED_OUT)
        else:
            self.person_id = person_id
            await self._join()

    async def _join(self) -> None:
        self._hub = get_hub()
        try:
            self._client = self._hub.join(self._send_text, self.close, self.person_id, line=line_of(self.scope))
        except TooManyConnections as error:
            await self.close(error.code)
            return
        get_guard().watch(self)

    async def disconnect(self, code: int) -> None:
        """Leave the hub."""
        get_guard().forget(self)
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
        account_id = request.account_id
        if account_id is None:
            self._refuse(request, client, "ACCOUNT_REQUIRED", "Name the account.")
            return
        try:
            if await database_sync_to_async(account_visible)(self.person_id, account_id) is None:
                self._refuse(request, client, "ACCOUNT_NOT_FOUND", "There is no such account.")
                return
            client.unsubscribe("account", account_id=account_id)
            client.subscribe_account(account_id)
            async with asyncio.timeout(CONNECT_SECONDS):
                await get_hub().connected()
            sequence, snapshot = await snapshot_shared(get_hub(), account_id)
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

    def _asks_too_much(self) -> bool:
        now = clock.monotonic()
        if self._requested_at is None:
            self._requested_at = deque(maxlen=REQUESTS)
        is_full = len(self._requested_at) == REQUESTS and now - self._requested_at[0] < REQUESTS_SECONDS
        self._requested_at.append(now)
        return is_full

    def accounts_shown(self) -> Collection[str]:
        """Return the accounts that the page follows."""
        return self._client.accounts if self._client else ()

    def session_ended(self) -> None:
        """Close: the session ended, or its person was shut out."""
        if self._client is not None:
            self._client.drop(SIGNED_OUT)

    def session_unknown(self) -> None:
        """Close: for too long nobody could tell whether the session holds."""
        if self._client is not None:
            self._client.drop(UNAVAILABLE)

    def account_hidden(self, account_id: str) -> None:
        """Stop an account that the person may no longer see."""
        if self._client is not None:
            self._client.unsubscribe("account", account_id=account_id)
            message = "This account is no longer yours to see."
            self._client.reply({"op": "error", "ch": "account", "code": "ACCOUNT_NOT_FOUND", "message": message})
