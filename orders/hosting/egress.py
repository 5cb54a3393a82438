"""Speak only to hosts that the configuration names."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings

from orders.brokers.protocol import BrokerAdapter
from orders.services.gateway import OPEN_GATEWAY, Gateway
from trading_portal.kernel.errors import reason


def gateway_of(adapter: BrokerAdapter) -> Gateway:
    """Return what is let through to a venue; nothing to a host that is not allowed.

    An adapter that speaks to another host says so in `endpoint`: `host:port`, or an address with a scheme.
    """
    endpoint = str(getattr(adapter, "endpoint", ""))
    if not endpoint:
        return OPEN_GATEWAY
    host = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}").hostname or ""
    is_allowed = host in {allowed.strip("[]").lower() for allowed in settings.VENUE_EGRESS}
    why = None if is_allowed else reason("EGRESS_REFUSED", why=f"{host or endpoint} is not an allowed host")
    return Gateway(refusal=why, is_outside=True)
