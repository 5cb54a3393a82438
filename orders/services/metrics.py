"""What is counted of placing orders and of recording what venues report."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

ORDERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

QUEUE_ORDERS = Gauge(
    "portal_placement_queue_orders",
    "Orders that wait to be placed or are being placed.",
    multiprocess_mode="livesum",
)
QUEUE_FULL = Counter("portal_placement_queue_full", "Orders that were refused because the queue was full.")
BATCH_ORDERS = Histogram("portal_placement_batch_orders", "Orders that one batch took from the queue.", buckets=ORDERS)
BATCH_SECONDS = Histogram(
    "portal_placement_batch_duration_seconds", "Time from taking a batch to its answers.", buckets=SECONDS
)
REPORTS_RECORDED = Counter(
    "portal_venue_reports_recorded", "Reports of a venue that were recorded, repeats included.", ("venue",)
)
