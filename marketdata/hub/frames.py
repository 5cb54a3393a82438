"""A frame: its text, and the bytes that it is on the wire, made once for all who get it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LINE_EXTENSION = "portal.line"


class Frame:
    """One content, whoever reads it: as text and as the bytes of that text."""

    __slots__ = ("_event", "data", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.data = text.encode()
        self._event: bytes | None = None

    @property
    def event(self) -> bytes:
        """Return the text as a server-sent event."""
        if self._event is None:
            self._event = b"data: " + self.data + b"\n\n"
        return self._event


@dataclass(frozen=True, slots=True)
class Line:
    """What our servers let be done with a connection beside ASGI: neither of these ever waits."""

    write: Callable[[Frame], bool]
    """Write a frame; False when that would have to wait."""
    abort: Callable[[], None]
    """Cut the connection, whatever is still on its way."""


def line_of(scope: Mapping[str, Any]) -> Line | None:
    """Return a connection's line, where its server offers one.

    `portal.line` is our servers' extension of ASGI: two functions, of which the first takes the bytes of a whole text
    message of a WebSocket, or a piece of a response's body. Sending by ASGI costs a coroutine and a task for each frame
    and reader; and it has no word for a reader that takes not even the goodbye.
    """
    offered = (scope.get("extensions") or {}).get(LINE_EXTENSION)
    if offered is None:
        return None
    write, abort = offered["write"], offered["abort"]
    if scope["type"] == "websocket":
        return Line(lambda frame: write(frame.data), abort)
    return Line(lambda frame: write(frame.event), abort)
