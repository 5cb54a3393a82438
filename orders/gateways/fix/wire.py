"""Cut a stream of bytes into FIX messages, and write the few that no engine writes for us."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from orders.domain.fix import BEGIN_STRING, SOH, MsgType, Tag, time_to_fix

MESSAGE_LIMIT = 65_536
_START = b"8=FIX"
_HEAD = re.compile(rb"8=FIX[^\x01]{1,12}\x019=([0-9]{1,6})\x01")
_HEAD_LIMIT = 32
_TRAILER = re.compile(rb"10=([0-9]{3})\x01")
_TRAILER_LENGTH = 7

Pairs = Sequence[tuple[int, str]]


class WireError(ValueError):
    """Say that no FIX message can be found in what a partner sends."""


class Framer:
    """Find messages in bytes as they arrive; what is garbled is passed over, as FIX wants it: the gap will show."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Return the messages that are whole now; raise WireError for a message without an end."""
        self._rest += data
        found: list[str] = []
        while (message := self._next()) is not None:
            if message:
                found.append(message)
        return found

    def _next(self) -> str | None:
        """Return the next message, an empty text for what was passed over, None when more must arrive."""
        start = self._rest.find(_START)
        if start < 0:
            self._rest = self._rest[-len(_START) + 1 :]
            return None
        self._rest = self._rest[start:]
        head = _HEAD.match(self._rest)
        if head is None:
            return None if len(self._rest) < _HEAD_LIMIT else self._pass_over()
        end = head.end() + int(head[1])
        if end > MESSAGE_LIMIT:
            raise WireError("The message is too long.")
        if len(self._rest) < end + _TRAILER_LENGTH:
            return None
        trailer = _TRAILER.fullmatch(self._rest, end, end + _TRAILER_LENGTH)
        if trailer is None or int(trailer[1]) != sum(self._rest[:end]) % 256:
            return self._pass_over()
        message, self._rest = self._rest[: end + _TRAILER_LENGTH], self._rest[end + _TRAILER_LENGTH :]
        try:
            return message.decode()
        except UnicodeDecodeError:
            return ""

    def _pass_over(self) -> str:
        self._rest = self._rest[len(_START) :]
        return ""


def pairs_of(text: str) -> list[tuple[int, str]]:
    """Return a message's fields in their order; what is no field is left out."""
    split = (part.partition("=") for part in text.split(SOH))
    return [(int(tag), value) for tag, is_field, value in split if is_field and tag.isascii() and tag.isdigit()]


def fields_of(text: str) -> dict[int, str]:
    """Return a message's fields by tag; of a field that comes more than once, the first."""
    return dict(reversed(pairs_of(text)))


def encode(pairs: Iterable[tuple[int, str]]) -> str:
    """Return the message that these fields make, MsgType first; length and checksum are added."""
    body = "".join(f"{int(tag)}={value}{SOH}" for tag, value in pairs)
    text = f"8={BEGIN_STRING}{SOH}9={len(body.encode())}{SOH}{body}"
    return f"{text}10={sum(text.encode()) % 256:03d}{SOH}"


def logout(*, comp_id: str, partner: str, text: str, at: datetime) -> str:
    """Return a Logout for who has no session, and so no numbers."""
    return encode(
        [
            (Tag.MSG_TYPE, MsgType.LOGOUT.value),
            (Tag.MSG_SEQ_NUM, "1"),
            (Tag.SENDER_COMP_ID, comp_id),
            (Tag.SENDING_TIME, time_to_fix(at)),
            (Tag.TARGET_COMP_ID, partner),
            (Tag.TEXT, text),
        ]
    )


def gap_range(text: str) -> tuple[int, int] | None:
    """Return which numbers a message says will not be sent again, first and the one after; None for another one."""
    fields = fields_of(text)
    if fields.get(Tag.MSG_TYPE) != MsgType.SEQUENCE_RESET or fields.get(Tag.GAP_FILL_FLAG) != "Y":
        return None
    return int(fields[Tag.MSG_SEQ_NUM]), int(fields[Tag.NEW_SEQ_NO])


def gap_parts(gap: str, size: int) -> list[str]:
    """Return a gap as gaps of at most so many numbers."""
    first, end = gap_range(gap) or (0, 0)
    if end - first <= size:
        return [gap]
    return [_gap(gap, number, min(number + size, end)) for number in range(first, end, size)]


def gap_filled(gap: str, stored: Mapping[int, str], *, at: datetime) -> list[str]:
    """Return what is sent in place of a gap: each stored message again, and gaps only where none is stored."""
    found = gap_range(gap)
    if found is None or not stored:
        return [gap]
    number, end = found
    sent: list[str] = []
    for each in sorted(number_of for number_of in stored if number <= number_of < end):
        if each > number:
            sent.append(_gap(gap, number, each))
        sent.append(_again(stored[each], at))
        number = each + 1
    if number < end:
        sent.append(_gap(gap, number, end))
    return sent


def _gap(gap: str, number: int, end: int) -> str:
    changed: dict[int, str] = {Tag.MSG_SEQ_NUM: str(number), Tag.NEW_SEQ_NO: str(end)}
    return encode((tag, changed.get(tag, value)) for tag, value in _inside(gap))


def _again(text: str, at: datetime) -> str:
    """Return a message marked as a possible duplicate, with its number and the time it was first sent."""
    pairs: list[tuple[int, str]] = []
    for tag, value in _inside(text):
        if tag == Tag.SENDING_TIME:
            pairs += [(tag, time_to_fix(at)), (Tag.ORIG_SENDING_TIME, value)]
        else:
            pairs.append((tag, value))
        if tag == Tag.MSG_SEQ_NUM:
            pairs.append((Tag.POSS_DUP_FLAG, "Y"))
    return encode(pairs)


def _inside(text: str) -> list[tuple[int, str]]:
    """Return a message's fields without begin, length and checksum."""
    return pairs_of(text)[2:-1]
