"""A server that speaks Alpaca's trading API, and does what a test tells it to: also what a real one does rarely."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import uvicorn

from orders.brokers.alpaca.broker import AlpacaBroker
from orders.brokers.alpaca.profile import AlpacaProfile
from orders.brokers.protocol import VenueOrder
from orders.tests.venue_script import SECONDS, Ability
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

KEY, SECRET = "key", "secret"
OVER = ("filled", "canceled", "expired", "rejected", "replaced")
Order = dict[str, Any]
Answer = tuple[int, Any]


def now() -> str:
    return clock.now().astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def no(status: int, message: str, code: int | None = None) -> Answer:
    return status, {"code": code or status * 100_000, "message": message}


class AlpacaServer:
    """Orders, fills and streams of one account, behind HTTP and a WebSocket."""

    def __init__(self) -> None:
        self.symbols = {"TEST"}
        self.orders: dict[str, Order] = {}
        self.fills: list[dict[str, Any]] = []
        self.told: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.faults: list[Callable[[str, str], Answer | float | None]] = []
        self.before_ack: list[tuple[str, str]] = []
        self.status_when_taken = "new"
        self.fills_at_once = ""
        self.is_cut = self.is_deaf = self.hides_activities = False
        self._sockets: list[asyncio.Queue[dict[str, Any] | None]] = []
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        options = {"interface": "asgi3", "log_level": "critical", "lifespan": "off", "timeout_graceful_shutdown": 1}
        self._server = uvicorn.Server(uvicorn.Config(self._serve, **options))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]}, daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)

    def close(self) -> None:
        self.mend()
        self.drop_lines()
        self._server.should_exit = True
        self._thread.join(SECONDS)
        self._listener.close()

    # The protocol

    async def _serve(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self._loop = asyncio.get_running_loop()
        if scope["type"] == "websocket":
            await self._stream(receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        status, answer = await self._answer(scope, json.loads(body) if body else {})
        headers = [(b"content-type", b"application/json")]
        if status == 429:
            headers.append((b"retry-after", b"0.05"))
        content = b"" if answer is None else answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, scope: dict[str, Any], body: dict[str, Any]) -> Answer:
        method, path = scope["method"], scope["path"].removeprefix("/v2")
        self.requests.append((method, path, body))
        headers = dict(scope["headers"])
        if self.is_cut:
            return 503, "no upstream"
        if headers.get(b"apca-api-key-id") != KEY.encode() or headers.get(b"apca-api-secret-key") != SECRET.encode():
            return no(401, "access key verification failed : access key not found", 40110000)
        for fault in list(self.faults):
            found = fault(method, path)
            if found is None:
                continue
            self.faults.remove(fault)
            if isinstance(found, tuple):
                return found
            answer = self._act(method, path, body, {})
            await asyncio.sleep(found)
            return answer
        return self._act(method, path, body, {k: v[0] for k, v in parse_qs(scope["query_string"].decode()).items()})

    def _act(self, method: str, path: str, body: dict[str, Any], query: dict[str, str]) -> Answer:
        order = self.orders.get(path.removeprefix("/orders/"))
        match method, path:
            case "GET", "/account":
                return 200, {"id": str(uuid4()), "status": "ACTIVE"}
            case "POST", "/orders":
                return self._place(body)
            case "GET", "/orders":
                return 200, self._list(query)
            case "GET", "/orders:by_client_order_id":
                found = [o for o in self.orders.values() if o["client_order_id"] == query["client_order_id"]]
                return (200, found[0]) if found else no(404, "order not found")
            case "GET", "/account/activities/FILL":
                return 200, self._activities(query)
        if order is None:
            return no(404, "order not found")
        if method == "GET":
            return 200, order
        return self._cancel(order) if method == "DELETE" else self._replace(order, body)

    async def _stream(self, receive: Any, send: Any) -> None:
        await receive()
        if self.is_cut:
            await send({"type": "websocket.close", "code": 1013})
            return
        await send({"type": "websocket.accept"})
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        reader = asyncio.create_task(self._read_stream(receive, queue))
        try:
            while (message := await queue.get()) is not None:
                await send({"type": "websocket.send", "bytes": json.dumps(message).encode()})
                if message["stream"] == "listening":
                    self._sockets.append(queue)
            if not reader.done():
                await send({"type": "websocket.close", "code": 1012})
        finally:
            reader.cancel()
            if queue in self._sockets:
                self._sockets.remove(queue)

    async def _read_stream(self, receive: Any, queue: asyncio.Queue[dict[str, Any] | None]) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            said = json.loads(message.get("text") or message.get("bytes"))
            if said["action"] == "authenticate":
                is_known = said["data"] == {"key_id": KEY, "secret_key": SECRET}
                status = "authorized" if is_known else "unauthorized"
                queue.put_nowait({"stream": "authorization", "data": {"status": status, "action": "authenticate"}})
            else:
                queue.put_nowait({"stream": "listening", "data": said["data"]})
        queue.put_nowait(None)

    # What it does with orders

    def _place(self, body: dict[str, Any]) -> Answer:
        if body["symbol"] not in self.symbols:
            return no(422, f'asset "{body["symbol"]}" not found', 42210000)
        if any(order["client_order_id"] == body["client_order_id"] for order in self.orders.values()):
            return no(422, "client_order_id must be unique", 40010001)
        order = self._make(body)
        for quantity, price in self.before_ack:
            self._trade(order, quantity, price)
        self.before_ack.clear()
        answer = dict(order)
        if order["status"] == "pending_new":
            order["status"] = self.status_when_taken
        self.tell(self.status_when_taken, order)
        if self.fills_at_once:
            self._trade(order, order["qty"], self.fills_at_once)
        return 200, answer

    def _make(self, body: dict[str, Any], **more: Any) -> Order:
        order = {
            "id": str(uuid4()), "filled_qty": "0", "filled_avg_price": None, "status": "pending_new",
            "submitted_at": now(), "created_at": now(), "updated_at": now(), "canceled_at": None, "expired_at": None,
            "failed_at": None, "replaced_at": None, "replaced_by": None, "replaces": None, "limit_price": None,
            "stop_price": None, "trail_price": None, "trail_percent": None, **body, **more,
        }  # fmt: skip
        self.orders[order["id"]] = order
        return order

    def _list(self, query: dict[str, str]) -> list[Order]:
        after = datetime.fromisoformat(query.get("after", "2000-01-01T00:00:00Z"))
        found = [o for o in self.orders.values() if datetime.fromisoformat(o["submitted_at"]) > after]
        found = [o for o in found if query["status"] == "all" or o["status"] not in OVER]
        return sorted(found, key=lambda order: order["submitted_at"])[: int(query["limit"])]

    def _activities(self, query: dict[str, str]) -> list[dict[str, Any]]:
        if self.hides_activities:
            return []
        after = datetime.fromisoformat(query["after"])
        found = [f for f in self.fills if datetime.fromisoformat(f["transaction_time"]) > after]
        ids = [fill["id"] for fill in found]
        start = ids.index(query["page_token"]) + 1 if "page_token" in query else 0
        return found[start : start + int(query["page_size"])]

    def _cancel(self, order: Order) -> Answer:
        if order["status"] in OVER:
            return no(422, f'order is already in "{order["status"]}" state', 42210000)
        self.end(order)
        return 204, None

    def _replace(self, order: Order, body: dict[str, Any]) -> Answer:
        if order["status"] in OVER:
            return no(422, f'order in "{order["status"]}" state cannot be replaced', 42210000)
        kept = {k: order[k] for k in ("symbol", "side", "type", "time_in_force", "qty", "limit_price", "stop_price")}
        new = self._make({**kept, **body}, replaces=order["id"], filled_qty=order["filled_qty"])
        answer = dict(new)
        order.update(status="replaced", replaced_by=new["id"], replaced_at=now())
        self.tell("replaced", order)
        is_filled = Decimal(new["filled_qty"]) >= Decimal(new["qty"])
        new["status"] = "filled" if is_filled else "partially_filled" if Decimal(new["filled_qty"]) else "new"
        self.tell("new", new)
        return 200, answer

    def end(self, order: Order, event: str = "canceled") -> None:
        order.update(status=event, **{f"{event}_at": now()})
        self.tell(event, order)

    def _trade(self, order: Order, quantity: str, price: str) -> None:
        filled = Decimal(order["filled_qty"]) + Decimal(quantity)
        is_whole = filled >= Decimal(order["qty"])
        order["filled_qty"] = str(filled)
        if order["status"] != "canceled":
            order["status"] = "filled" if is_whole else "partially_filled"
        execution, at = str(uuid4()), now()
        fill = {
            "id": f"{at[:10].replace('-', '')}000000000::{execution}", "activity_type": "FILL", "order_id": order["id"],
            "qty": quantity, "price": price, "cum_qty": str(filled), "transaction_time": at,
        }  # fmt: skip
        self.fills.append(fill)
        event = "fill" if is_whole else "partial_fill"
        self.tell(event, order, execution_id=execution, qty=quantity, price=price, timestamp=at)

    def tell(self, event: str, order: Order, **more: Any) -> None:
        update = {"event": event, "timestamp": now(), "order": dict(order), **more}
        self.told.append(update)
        self.send(update)

    def send(self, update: dict[str, Any]) -> None:
        if not self.is_deaf:
            for each in list(self._sockets):
                each.put_nowait({"stream": "trade_updates", "data": update})

    # What a test has it do

    def run(self, act: Callable[[], Any]) -> Any:
        """Do something on the server's own thread, and wait for it."""
        if self._loop is None:
            return act()

        async def do() -> Any:
            return act()

        return asyncio.run_coroutine_threadsafe(do(), self._loop).result(SECONDS)

    def drop_lines(self) -> None:
        self.run(lambda: [queue.put_nowait(None) for queue in list(self._sockets)])

    def cut(self) -> None:
        self.is_cut = True
        self.drop_lines()
        deadline = time.monotonic() + SECONDS
        while self._sockets and time.monotonic() < deadline:
            time.sleep(0.005)

    def mend(self) -> None:
        self.is_cut = False

    def fault(self, method: str, path: str, answer: Answer | float) -> None:
        """Answer the next such request so: with an answer, nothing done; or as usual, after so many seconds."""
        self.faults.append(lambda m, p: answer if (m, p.split("/")[1]) == (method, path) else None)

    def standing(self, order: VenueOrder) -> Order:
        """Return what an order of ours has become, through its replaces."""
        found = next(o for o in self.orders.values() if o["client_order_id"] == str(order.order_id))
        while found["replaced_by"]:
            found = self.orders[found["replaced_by"]]
        return found


def profile_at(address: str, **options: Any) -> AlpacaProfile:
    """Return a profile that is less patient than a real one."""
    impatient = {"request_seconds": 1.0, "reconnect_seconds": (0.02, 0.1), "poll_seconds": 0.1}
    return AlpacaProfile(
        url=f"http://{address}", stream_url=f"ws://{address}/stream", key_id=KEY, secret_key=SECRET,
        **{**impatient, **options},
    )  # fmt: skip


class AlpacaScript:
    """Bring about at the scripted server what the contract asks for."""

    symbol = "TEST"
    lacks = {Ability.MARKET: "it trades what the script says"}

    def __init__(self, **profile: Any) -> None:
        self.server = AlpacaServer()
        self.venue = f"alpaca-{uuid7().hex[-12:]}"
        self.profile = profile_at(self.server.address, **profile)

    def adapter(self) -> AlpacaBroker:
        return AlpacaBroker(self.venue, self.profile)

    def close(self) -> None:
        self.server.close()

    def fill(self, order: VenueOrder, quantity: str, price: str) -> None:
        self.server.run(lambda: self.server._trade(self.server.standing(order), quantity, price))

    def fill_early(self, quantity: str, price: str) -> None:
        self.server.before_ack.append((quantity, price))

    def cancel_unasked(self, order: VenueOrder) -> None:
        self.server.run(lambda: self.server.end(self.server.standing(order)))

    def refuse_cancel(self) -> None:
        def refuse(method: str, path: str) -> Answer | None:
            if method != "DELETE":
                return None
            self.server.tell("order_cancel_rejected", self.server.orders[path.removeprefix("/orders/")])
            return 204, None

        self.server.faults.append(refuse)

    def refuse_replace(self) -> None:
        def refuse(method: str, path: str) -> Answer | None:
            if method != "PATCH":
                return None
            order = self.server.orders[path.removeprefix("/orders/")]
            new = self.server._make({**order, "client_order_id": str(uuid4())}, id=str(uuid4()), status="rejected")
            self.server.tell("order_replace_rejected", order)
            return 200, new

        self.server.faults.append(refuse)

    def _last(self, order: VenueOrder, *events: str) -> dict[str, Any]:
        ids = (str(order.order_id), self.server.standing(order)["client_order_id"])
        told = [
            u for u in self.server.told if u["order"]["client_order_id"] in ids and (not events or u["event"] in events)
        ]
        return told[-1]

    def repeat(self, order: VenueOrder) -> None:
        self.server.run(lambda: self.server.send(self._last(order)))

    def bust(self, order: VenueOrder) -> None:
        self._restate(order, "trade_bust", "0", "0")

    def correct(self, order: VenueOrder, quantity: str, price: str) -> None:
        self._restate(order, "trade_correct", quantity, price)

    def _restate(self, order: VenueOrder, event: str, quantity: str, price: str) -> None:
        def restate() -> None:
            last, standing = self._last(order, "fill", "partial_fill"), self.server.standing(order)
            standing["filled_qty"] = str(Decimal(standing["filled_qty"]) - Decimal(last["qty"]) + Decimal(quantity))
            more = {"previous_execution_id": last["execution_id"], "execution_id": str(uuid4())}
            self.server.tell(event, standing, qty=quantity, price=price, **more)

        self.server.run(restate)

    def cut(self) -> None:
        self.server.cut()

    def mend(self) -> None:
        self.server.mend()

    def lose_answer(self) -> None:
        def lose(method: str, path: str) -> float | None:
            if (method, path) != ("POST", "/orders"):
                return None
            self.server.is_deaf = True
            threading.Timer(0.1, setattr, (self.server, "is_deaf", False)).start()
            return self.profile.request_seconds + 0.5

        self.server.faults.append(lose)

    def lose_message(self) -> None:
        self.server.fault("POST", "orders", (502, "bad gateway"))
