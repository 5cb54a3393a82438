"""Every WebSocket address of the site."""

from __future__ import annotations

from typing import Any

websocket_urlpatterns: list[Any] = []
