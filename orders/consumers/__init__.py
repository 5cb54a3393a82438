"""WebSocket consumers: authorise, join the hub, relay."""

from __future__ import annotations

from orders.consumers.browser import BrowserConsumer

__all__ = ["BrowserConsumer"]
