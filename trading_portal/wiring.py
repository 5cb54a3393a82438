"""Wire the log's events to the handlers that react to them."""

from __future__ import annotations

from django.conf import settings

from audit.domain.consumers import Consumer
from orders import handlers


def consumers() -> list[Consumer]:
    """Return every consumer of the event log."""
    found = [
        Consumer("browser", handlers.accounts_push, only_new=True, accounts=handlers.accounts_watched),
        # Orders are refused from the latch on, whoever cancels: it need not look at each commit, and few are for it.
        Consumer("kill_switch", handlers.killed_orders_cancel, types=handlers.KILL_SWITCH_TYPES, rest_seconds=0.05),
    ]
    if settings.GRIP_URL:
        found.append(Consumer("pushpin", handlers.streams_publish, only_new=True, accounts=handlers.accounts_held))
    return found
