"""What risk does on the clock."""

from __future__ import annotations

from celery import shared_task

from risk import services
from trading_portal.kernel import clock


@shared_task(name="risk.sweep")
def sweep() -> None:
    """Put back temporary limits that are over, and forget orders too old to be anybody's duplicate."""
    services.limits_revert_due(at=clock.now())
    services.fingerprints_sweep(at=clock.now())
