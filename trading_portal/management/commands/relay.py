"""Run the relay: the event log to its consumers."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand

from audit.relay import Relay
from trading_portal.kernel.collector import collect_rarely
from trading_portal.kernel.heartbeat import beat
from trading_portal.wiring import consumers


class Command(BaseCommand):
    """Hand every committed event to its consumers until stopped."""

    help = "Hand every committed event to its consumers, until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT."""
        relay = Relay(consumers(), beat)
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, lambda *_: relay.stop())
        collect_rarely()
        relay.run()
