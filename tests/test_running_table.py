"""Which processes make a portal."""

from __future__ import annotations

from pathlib import Path

import pytest

from trading_portal.running.layout import DataFolder
from trading_portal.running.table import programs


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_several_web_processes_share_the_port_that_one_has_for_itself(server: str):
    def web(count: str) -> dict[str, bool]:
        environment = {"PORTAL_ASGI": server, "PORTAL_WEB_PROCESSES": count}
        found = programs(environment, DataFolder(Path("/data")), 8000)
        return {one.name: "--shared" in one.command for one in found if "8000" in one.command}

    assert web("1") == web("") == {"web": False}
    assert web("3") == {"web": True, "web-2": True, "web-3": True}


def test_each_venue_outside_this_portal_gets_a_worker_of_its_own():
    environment = {"PORTAL_FIX_VENUES": "exchange, broker", "PORTAL_ALPACA_VENUES": "alpaca"}
    commands = {program.name: program.command for program in programs(environment, DataFolder(Path("/data")), 8000)}
    for venue in ("exchange", "broker", "alpaca"):
        assert f"venue.{venue}" in commands[f"venue-{venue}"]
