"""Readers of a hub: what they were sent, and what an account's readers follow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec

from marketdata.hub import Hub, HubClient, Line
from marketdata.hub.frames import Frame
from trading_portal.kernel.ids import uuid7


class Reader:
    """A connection that keeps what it is sent; `gate` closed, it reads nothing; `has_line` lets the hub write."""

    def __init__(self, hub: Hub, user_id: UUID | None = None, *, has_line: bool = False) -> None:
        self.frames: list[dict[str, Any]] = []
        self.texts: list[str] = []
        self.closed_with: int | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.tasks = 0
        self.is_cut = False
        line = Line(self._write, self._cut) if has_line else None
        self.client: HubClient = hub.join(self._send, self._close, user_id or uuid7(), line=line)

    async def _send(self, text: str) -> None:
        self.tasks += 1
        await self.gate.wait()
        self._keep(text)

    def _write(self, frame: Frame) -> bool:
        if self.gate.is_set():
            self._keep(frame.text)
        return self.gate.is_set()

    def _keep(self, text: str) -> None:
        self.texts.append(text)
        self.frames.append(msgspec.json.decode(text))

    def _cut(self) -> None:
        self.is_cut = True

    async def _close(self, code: int) -> None:
        self.closed_with = code

    def of(self, channel: str, kind: str = "delta") -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame.get("ch") == channel and frame.get("type") == kind]

    def ops(self, op: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame.get("op") == op]

    def last(self, symbol: str) -> str | None:
        deltas = self.of("quotes")
        return deltas[-1]["quotes"][symbol]["last"] if deltas else None


async def eventually(check: Callable[[], Any], seconds: float = 5.0) -> Any:
    async with asyncio.timeout(seconds):
        while not (answer := check()):
            await asyncio.sleep(0.01)
        return answer


def symbol() -> str:
    return f"H{uuid7().hex[10:].upper()}"


def message(account: str, prev: int, seq: int) -> dict[str, object]:
    events = [{"type": "order.accepted", "account_sequence": n} for n in range(prev + 1, seq + 1)]
    return {"account_id": account, "seq": seq, "prev": prev, "events": events, "orders": [{"id": seq}], "positions": []}


async def follow(hub: Hub, account: str, sequence: int) -> Reader:
    reader = Reader(hub)
    reader.client.subscribe_account(account)
    await hub.connected()
    reader.client.start_account(
        account, {"op": "ack", "seq": sequence}, {"type": "snapshot", "ch": "account"}, sequence
    )
    return reader


def sequences(reader: Reader) -> list[int]:
    return [event["account_sequence"] for delta in reader.of("account") for event in delta["events"]]
