"""Read and write the frames of `/stream`: JSON or msgpack, as the client prefers."""

from __future__ import annotations

from typing import Any

import msgpack
import msgspec

FRAME_LIMIT = 65_536


class FrameError(ValueError):
    """Say that a frame cannot be read."""


def frame_read(text: str | None, data: bytes | None) -> tuple[dict[str, Any], bool]:
    """Return a frame's object and whether it was msgpack; raise FrameError for anything else."""
    raw = text.encode() if text is not None else data or b""
    if len(raw) > FRAME_LIMIT:
        raise FrameError("too large")
    is_packed = text is None and not raw.startswith(b"{")
    try:
        message = msgpack.unpackb(raw) if is_packed else msgspec.json.decode(raw)
    except (ValueError, msgpack.UnpackException, msgspec.MsgspecError, RecursionError) as error:
        raise FrameError("neither JSON nor msgpack") from error
    if not isinstance(message, dict):
        raise FrameError("not an object")
    return message, is_packed


def frame_write(message: Any, *, is_packed: bool) -> bytes:
    """Return a frame; binary either way, as Alpaca sends them."""
    plain = msgspec.to_builtins(message)
    return msgpack.packb(plain) if is_packed else msgspec.json.encode(plain)
