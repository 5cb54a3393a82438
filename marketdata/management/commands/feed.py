"""Run the feeds: simulated, or a recording played back."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from marketdata.services import feed_run
from trading_portal.kernel.errors import PortalError
from trading_portal.kernel.heartbeat import beat


class Command(BaseCommand):
    """Make prices until told to stop."""

    help = "Run the market data feed that PORTAL_FEED names."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT; say in a sentence why it cannot start."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        try:
            feed_run(stop=stop, beat=beat, say=self.stdout.write)
        except PortalError as error:
            raise CommandError(error.sentence) from error
