"""How an Alpaca venue is reached, and how patient we are with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True, slots=True)
class AlpacaProfile:
    """Name the addresses and the key of one account there, and the delays (seconds) that its adapter keeps.

    A request that took longer than `request_seconds` is in doubt, and the venue counts as never having heard of it only
    `settle_seconds` after the last attempt. While the stream is down the venue is polled; while it is up it is swept.
    """

    url: str
    stream_url: str
    key_id: str
    secret_key: str = field(repr=False)
    couriers: int = 4
    request_seconds: float = 4.0
    settle_seconds: float = 5.0
    patience_seconds: float = 3.5
    connect_seconds: float = 3.5
    reconnect_seconds: tuple[float, float] = (0.5, 10.0)
    busy_seconds: float = 30.0
    poll_seconds: float = 5.0
    sweep_seconds: float = 60.0
    overlap_seconds: float = 300.0


def profile_from_texts(venue: str, texts: Mapping[str, str]) -> AlpacaProfile:
    """Return the profile that a venue's variables describe; the stream stands beside the API unless named."""
    url = texts["URL"].rstrip("/")
    stream_url = texts["STREAM_URL"] or f"{url.replace('http', 'ws', 1)}/stream"
    here, there = urlsplit(url), urlsplit(stream_url)
    if here.scheme not in ("http", "https") or there.scheme not in ("ws", "wss") or not here.hostname:
        raise ImproperlyConfigured(f"The venue {venue} must name an http(s) address, and a ws(s) one for its stream.")
    if there.hostname != here.hostname:
        raise ImproperlyConfigured(f"The venue {venue} has its API at {here.hostname}, its stream at {there.hostname}.")
    return AlpacaProfile(url=url, stream_url=stream_url, key_id=texts["KEY_ID"], secret_key=texts["SECRET_KEY"])
