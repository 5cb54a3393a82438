"""The ASGI application: pages, API, WebSockets, server-sent events."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trading_portal.settings")

from django.core.asgi import get_asgi_application

http_application = get_asgi_application()

from trading_portal.composition import compose
from trading_portal.kernel.collector import collect_rarely

application = compose(http_application)
collect_rarely()
