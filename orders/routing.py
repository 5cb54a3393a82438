"""WebSocket addresses of orders."""

from __future__ import annotations

from django.urls import path

from orders.api.stream import TradeStream
from orders.consumers import BrowserConsumer

websocket_urlpatterns = [path("ws", BrowserConsumer.as_asgi()), path("stream", TradeStream.as_asgi())]
