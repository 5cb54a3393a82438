"""Put the protocols together: pages and API over HTTP, WebSockets, heartbeat."""

from __future__ import annotations

from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler

from accounts.api.handler import ApiHandler
from trading_portal.routing import websocket_urlpatterns
from trading_portal.running.heartbeat import start_asyncio_heartbeat


def compose(http: Any) -> Any:
    """Return the one application that every server runs."""
    start_asyncio_heartbeat()
    api = ApiHandler(settings.API_PREFIXES, settings.API_MIDDLEWARE, ASGIStaticFilesHandler(http))
    return ProtocolTypeRouter({"http": api, "websocket": URLRouter(websocket_urlpatterns)})
