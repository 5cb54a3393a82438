"""How an Alpaca venue is reached, and how patient we are with it."""

from __future__ import annotations

from dataclasses import dataclass, field


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
