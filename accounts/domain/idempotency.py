"""One answer for one Idempotency-Key, for a day."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

KEPT_FOR = timedelta(hours=24)
_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_NAMESPACE = UUID("5b1f7b1e-5d0c-5f0e-9d5e-0d2b8a6f3c11")


@dataclass(frozen=True, slots=True)
class IdempotencyClaim:
    """A key that a request has claimed; `status` is 0 until its first request has been answered."""

    id: int
    request_hash: bytes
    status: int
    body: Any

    def derived_id(self, index: int) -> str:
        """Return the id of the n-th thing the request makes: the same for every repeat, whatever happened between."""
        return str(uuid5(_NAMESPACE, f"{self.id}:{index}"))


def is_usable(key: str) -> bool:
    """Tell whether a key may be used: 1 to 128 visible ASCII characters."""
    return _KEY.fullmatch(key) is not None


def request_hash(method: str, path: str, body: bytes) -> bytes:
    """Return what tells two requests under one key apart."""
    return sha256(b"\x00".join((method.encode(), path.encode(), body))).digest()
