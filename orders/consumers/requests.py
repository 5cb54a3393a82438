"""Read what a browser asks on its socket: bounded, typed, nothing believed."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from marketdata.domain.types import LONGEST_SYMBOL, MOST_SYMBOLS

LONGEST_MESSAGE = 16_384

Symbol = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_SYMBOL)]
RequestId = int | Annotated[str, msgspec.Meta(max_length=64)] | None
Interval = Literal["1m", "5m", "1h", "1d"]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One message: an operation, and what it needs."""

    op: Literal["subscribe", "unsubscribe", "ping"]
    id: RequestId = None
    ch: Literal["account", "quotes", "depth", "candles", ""] = ""
    account_id: UUID | None = None
    syms: Annotated[list[Symbol], msgspec.Meta(max_length=MOST_SYMBOLS)] = []
    sym: Annotated[str, msgspec.Meta(max_length=LONGEST_SYMBOL)] = ""
    interval: Interval = "1m"
    rate: Annotated[int, msgspec.Meta(ge=1, le=10)] = 4
    ts: Annotated[str, msgspec.Meta(max_length=40)] = ""


_decoder = msgspec.json.Decoder(Request)


def request_read(text: str) -> Request:
    """Return what was asked; raise msgspec.MsgspecError for what is no request."""
    return _decoder.decode(text)
