"""Take partners' orders over FIX 4.4."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orders.services.queue import placement_queue
from trading_portal.running.heartbeat import start_asyncio_heartbeat

try:
    from orders.gateways.fix.server import FixServer, Listening
except ModuleNotFoundError as error:
    if error.name != "quickfix":
        raise
    raise CommandError("FIX needs QuickFIX: install the extra `fix` (Python 3.11 or 3.12).") from None


class Command(BaseCommand):
    """Serve partners' FIX sessions until stopped."""

    requires_system_checks = ()  # they load every page and the whole API, which this process never serves
    help = "Take partners' orders over FIX 4.4, until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT."""
        if not settings.FIX_PORT:
            raise CommandError("PORTAL_FIX_PORT names no port to listen on.")
        asyncio.run(_serve())


async def _serve() -> None:
    start_asyncio_heartbeat()
    listening = Listening(
        host=settings.FIX_HOST,
        port=settings.FIX_PORT,
        comp_id=settings.FIX_COMP_ID,
        certificate=Path(settings.FIX_CERTIFICATE) if settings.FIX_CERTIFICATE else None,
        key=Path(settings.FIX_KEY) if settings.FIX_KEY else None,
    )
    server = FixServer(listening, placement_queue())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, server.stop)
    await server.run()
