"""Every WebSocket address of the site."""

from __future__ import annotations

from orders import routing

websocket_urlpatterns = [*routing.websocket_urlpatterns]
