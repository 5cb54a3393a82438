"""Kill each process with -9 in the middle of orders: nothing acknowledged is lost, nothing is doubled."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.drills.support import (
    BACK_WITHIN_SECONDS,
    Partner,
    assert_nothing_lost_or_doubled,
    kill,
    lift_pace,
    shared_by_two,
    wait_until_quiet,
)
from trading_portal.running.supervisor import Supervisor
from trading_portal.running.testing import running_portal

# The suite runs one seed; PORTAL_DRILL_SEEDS=3 runs three.
SEEDS = range(int(os.environ.get("PORTAL_DRILL_SEEDS", "1")))
ORDERS = int(os.environ.get("PORTAL_DRILL_ORDERS", "500"))
POINTS = ("venue.after_claim", "venue.after_intent", "venue.after_send", "venue.before_record")
ENVIRONMENT = {"PORTAL_API_ORDERS_PER_MINUTE": "1000000", "PORTAL_VENUE_LEASE_SECONDS": "4"}
PROCESSES = ("web", "venue", "relay", "feed", "worker", "valkey", "postgres")

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def failpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("failpoints")
    folder.chmod(0o777)
    return folder


@pytest.fixture(scope="module")
def drilled(failpoints: Path) -> Iterator[dict[str, Any]]:
    with running_portal(PORTAL_FAILPOINTS=str(failpoints), **ENVIRONMENT) as portal:
        lift_pace(portal)
        yield portal


@pytest.fixture(scope="module")
def partner(drilled: dict[str, Any]) -> Partner:
    return Partner(drilled)


@pytest.fixture
def twins(drilled: dict[str, Any], partner: Partner) -> Iterator[tuple[Supervisor, dict[str, Any]]]:
    """Send the partner to two more web processes that share a port; give them, and the portal as they serve it."""
    with shared_by_two(drilled, ENVIRONMENT) as (supervisor, portal):
        partner.move_to(portal)
        yield supervisor, portal
    partner.move_to(drilled)


def assert_recovered(portal: dict[str, Any], placed: Any) -> None:
    assert len(placed.answers) == ORDERS
    refused = {status: body for status, body in placed.answers.values() if status != 200}
    assert not refused, refused
    assert wait_until_quiet(portal) < BACK_WITHIN_SECONDS
    assert_nothing_lost_or_doubled(portal, placed)


def test_orders_without_a_crash_are_placed_and_filled(drilled, partner):
    assert_recovered(drilled, partner.place_many(ORDERS))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_at_a_named_point_loses_and_doubles_nothing(drilled, partner, failpoints, point, seed):
    armed = failpoints / point
    armed.write_text(str(random.Random(f"{point}{seed}").randrange(0, 4)))
    placed = partner.place_many(ORDERS)
    deadline = time.monotonic() + BACK_WITHIN_SECONDS
    while armed.exists():
        assert time.monotonic() < deadline, "the armed point was never reached"
        time.sleep(0.05)
    assert_recovered(drilled, placed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("process", PROCESSES)
def test_a_killed_process_loses_and_doubles_nothing(drilled, partner, process, seed):
    pause = random.Random(f"{process}{seed}").uniform(0, 0.3)

    def strike() -> None:
        time.sleep(pause)
        kill(drilled, process)

    assert_recovered(drilled, partner.place_many(ORDERS, in_the_middle=strike))


def test_uvicorn_processes_killed_one_after_the_other_lose_and_double_nothing(partner, twins):
    supervisor, portal = twins

    def strike() -> None:
        for name in ("web-2", "web"):
            process = supervisor.children[name].process
            assert process
            os.kill(process.pid, signal.SIGKILL)
            time.sleep(0.3)  # for a while one serves, then none

    assert_recovered(portal, partner.place_many(ORDERS, in_the_middle=strike))
    assert [child.starts for child in supervisor.children.values()] == [2, 2]
