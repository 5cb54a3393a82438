"""A recorded session of a venue: which orders it got, and what it reported of each, after which message and how late.

One line of JSON each, in this order: `{"type":"session",…}`, then `{"type":"order",…}` and `{"type":"report",…}`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

import msgspec

from orders.brokers.protocol import VenueOrder
from orders.domain.reports import VenueReport
from orders.domain.types import IntentKind, OrderType, TimeInForce
from positions.domain.types import Side
from trading_portal.kernel.errors import PortalError, reason

FORMAT = 1
Key = tuple[object, ...]


class SessionUnreadable(PortalError):
    """Say that a file is no recorded session."""


class SessionHead(msgspec.Struct, frozen=True, kw_only=True, tag="session", tag_field="type"):
    """What was recorded: a venue, between two instants."""

    venue: str
    since: datetime
    until: datetime
    format: int = FORMAT


class RecordedOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="order", tag_field="type"):
    """An order as the venue got it; `number` counts from 1 in the order of sending."""

    number: int
    symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    extended_hours: bool = False
    order_id: UUID | None = None


class Trigger(msgspec.Struct, frozen=True):
    """The message that a report followed: the submit, or the nth cancel or replace of its order."""

    kind: IntentKind = IntentKind.SUBMIT
    nth: int = 1


class RecordedReport(msgspec.Struct, frozen=True, kw_only=True, tag="report", tag_field="type"):
    """A report of the order with this number, so many seconds after the message that it followed."""

    number: int
    trigger: Trigger
    after: float
    report: VenueReport


Line = SessionHead | RecordedOrder | RecordedReport
_decoder = msgspec.json.Decoder(Line)
_encoder = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical")


class Session:
    """Hold a recording, and deal its orders out to those that are placed now: the first that is alike, each once."""

    def __init__(self, lines: Iterable[Line] = ()) -> None:
        self.orders: dict[int, RecordedOrder] = {}
        self.reports: dict[int, list[RecordedReport]] = {}
        self._waiting: dict[Key, deque[int]] = {}
        for line in lines:
            self.add(line)

    def add(self, line: Line) -> None:
        """Add a line of the recording."""
        match line:
            case RecordedOrder():
                self.orders[line.number] = line
                self.reports[line.number] = []
                self._waiting.setdefault(_key(line), deque()).append(line.number)
            case RecordedReport():
                if line.number not in self.orders:
                    raise SessionUnreadable(reason("SESSION_UNREADABLE", line=line.number), "A report has no order.")
                self.reports[line.number].append(line)

    def deal(self, order: VenueOrder) -> int | None:
        """Return the number of the next recorded order that is like this one, None when there is none left."""
        waiting = self._waiting.get(_key(order))
        return waiting.popleft() if waiting else None

    def take(self, number: int) -> None:
        """Note that a recorded order was dealt out before."""
        waiting = self._waiting.get(_key(self.orders[number])) if number in self.orders else None
        if waiting and number in waiting:
            waiting.remove(number)


def _key(order: RecordedOrder | VenueOrder) -> Key:
    """Return what makes two orders alike."""
    return (
        order.symbol, order.side, order.order_type, order.time_in_force, order.quantity, order.limit_price,
        order.stop_price, order.trail_price, order.trail_percent, order.extended_hours,
    )  # fmt: skip


def session_written(lines: Iterable[Line]) -> Iterator[bytes]:
    """Return a recording as lines of JSON."""
    return (_encoder.encode(line) + b"\n" for line in lines)


def session_read(content: bytes) -> Session:
    """Return the recording that lines of JSON hold; raise SessionUnreadable, naming the line that is wrong."""
    lines = [_line(number, text) for number, text in enumerate(content.splitlines(), start=1) if text.strip()]
    if not lines or not isinstance(lines[0], SessionHead) or lines[0].format != FORMAT:
        raise SessionUnreadable(reason("SESSION_UNREADABLE", line=1), "The file does not begin like a session.")
    return Session(lines)


def _line(number: int, text: bytes) -> Line:
    try:
        return _decoder.decode(text)
    except (msgspec.MsgspecError, ValueError) as error:
        sentence = f"Line {number} of the session cannot be read: {error}"
        raise SessionUnreadable(reason("SESSION_UNREADABLE", line=number), sentence) from error


def fingerprint(content: bytes, run: str) -> str:
    """Return what tells one run of a recording from another."""
    return sha256(run.encode() + b"\0" + content).hexdigest()[:12]
