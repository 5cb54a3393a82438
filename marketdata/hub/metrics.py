"""What is counted of the hub."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

CONNECTIONS = Gauge("portal_hub_connections", "Readers that are connected.", multiprocess_mode="livesum")
FRAMES = Counter("portal_hub_frames", "Frames that were handed to readers' connections.")
DROPPED = Counter("portal_hub_readers_dropped", "Readers that were cut off because they did not read.")
