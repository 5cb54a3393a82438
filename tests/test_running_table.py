"""Which processes make a portal."""

from __future__ import annotations

from pathlib import Path

from trading_portal.running.layout import DataFolder
from trading_portal.running.table import programs


def test_each_venue_outside_this_portal_gets_a_worker_of_its_own():
    environment = {"PORTAL_FIX_VENUES": "exchange, broker", "PORTAL_ALPACA_VENUES": "alpaca"}
    commands = {program.name: program.command for program in programs(environment, DataFolder(Path("/data")), 8000)}
    for venue in ("exchange", "broker", "alpaca"):
        assert f"venue.{venue}" in commands[f"venue-{venue}"]
