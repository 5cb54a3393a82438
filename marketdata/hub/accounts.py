"""Put the events of an account in front of its readers: in order, without a gap, without a double."""

from __future__ import annotations

from collections import deque

import msgspec

from marketdata.hub.frames import Frame


class AccountMessage(msgspec.Struct, frozen=True):
    """What the relay published about an account: events prev < n <= seq, and the rows they changed.

    `former` are orders by ids that a replace has taken from them since.
    """

    account_id: str
    seq: int
    prev: int
    events: msgspec.Raw = msgspec.Raw(b"[]")
    orders: msgspec.Raw = msgspec.Raw(b"[]")
    former: msgspec.Raw = msgspec.Raw(b"[]")
    positions: msgspec.Raw = msgspec.Raw(b"[]")
    account: msgspec.Raw = msgspec.Raw(b"null")


class AccountDelta:
    """A message with its body already encoded, and made one frame for all whose last sequence was the same."""

    __slots__ = ("_body", "_frames", "account_id", "previous", "sequence")

    def __init__(self, account_id: str, sequence: int, previous: int, body: str) -> None:
        self.account_id = account_id
        self.sequence = sequence
        self.previous = previous
        self._body = body
        self._frames: dict[int, Frame] = {}

    def frame(self, previous: int) -> Frame:
        """Return the frame for a reader whose last sequence was `previous`."""
        known = self._frames.get(previous)
        if known is None:
            head = f'"delta","ch":"account","account_id":"{self.account_id}","seq":{self.sequence},"prev":{previous}'
            known = self._frames[previous] = Frame(f'{{"type":{head},{self._body}}}')
        return known


def delta_of(message: AccountMessage) -> AccountDelta:
    """Return a message ready to be sent, whoever reads it."""
    parts = {
        "events": message.events,
        "orders": message.orders,
        "former": message.former,
        "positions": message.positions,
        "account": message.account,
    }
    body = ",".join(f'"{name}":{bytes(raw).decode()}' for name, raw in parts.items())
    return AccountDelta(message.account_id, message.seq, message.prev, body)


class AccountFeed:
    """One reader's view of one account: keeps events back until the snapshot is out, then hands them on."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._waiting: deque[AccountDelta] = deque()
        self._sequence: int | None = None

    @property
    def is_started(self) -> bool:
        """Tell whether the reader has its snapshot."""
        return self._sequence is not None

    def start(self, sequence: int) -> None:
        """Go on from the snapshot's sequence."""
        self._sequence = sequence

    def take(self, delta: AccountDelta) -> bool:
        """Keep a delta until the reader takes it; return False when too many wait."""
        if len(self._waiting) >= self._bound:
            return False
        self._waiting.append(delta)
        return True

    def next_frame(self) -> Frame | None:
        """Return the next frame, or None when nothing waits; raise LookupError when events are missing before it.

        What the snapshot or an earlier delta already told is passed over; a delta that overlaps is joined on.
        """
        while self._sequence is not None and self._waiting:
            delta = self._waiting.popleft()
            if delta.sequence <= self._sequence:
                continue
            if delta.previous > self._sequence:
                raise LookupError(f"events {self._sequence + 1} to {delta.previous} are missing")
            previous, self._sequence = self._sequence, delta.sequence
            return delta.frame(previous)
        return None
