"""Hash the secrets of API keys."""

from __future__ import annotations

import hashlib


def secret_hash(secret: str) -> bytes:
    """Return what is stored of a secret; it has 240 random bits, so one round of SHA-256 is enough."""
    return hashlib.sha256(secret.encode()).digest()
