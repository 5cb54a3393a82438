"""Write what a venue was told and reported as a session that the replay broker plays."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orders.brokers.copies import VenueCopies
from orders.brokers.paper.store import PaperStore
from orders.brokers.replay.recording import ReportsOf, session_recorded
from orders.brokers.replay.session import RecordedOrder, session_written
from orders.models import PaperSession
from trading_portal.kernel import clock


class Command(BaseCommand):
    """Record a session."""

    help = "Write a venue's orders, and all it reported of them, as JSON lines for PORTAL_RECORDED_<VENUE>_FILE."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the venue, the span and the file."""
        parser.add_argument("venue")
        parser.add_argument("--since", help="orders sent from this instant on (default: an hour ago)")
        parser.add_argument("--until", help="orders sent before this instant (default: now)")
        parser.add_argument("--output", help="the file to write (default: standard output)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the session."""
        until = _instant("until", options["until"]) or clock.now()
        since = _instant("since", options["since"]) or until - timedelta(hours=1)
        venue = options["venue"]
        lines = list(session_recorded(venue=venue, since=since, until=until, reports_of=_reports_of(venue)))
        content = b"".join(session_written(lines))
        if options["output"]:
            Path(options["output"]).write_bytes(content)
        else:
            sys.stdout.buffer.write(content)
        orders = sum(isinstance(line, RecordedOrder) for line in lines)
        self.stderr.write(f"{orders} orders of {venue} recorded.")


def _reports_of(venue: str) -> ReportsOf:
    """Return where a venue's reports are kept: a paper venue's in its own tables, the others' in our copies."""
    is_paper = PaperSession.objects.filter(venue=venue).exists()
    return PaperStore(venue).reports_of if is_paper else VenueCopies(venue).reports_of


def _instant(name: str, written: str | None) -> datetime | None:
    if not written:
        return None
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        raise CommandError(f"--{name} must be an instant such as 2026-01-31T14:30:00Z, not {written}.") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
