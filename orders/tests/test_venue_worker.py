"""The Celery worker of a venue's queue: it hosts the venue from its start to its end, woken or not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings

from orders import tasks
from orders.models import VenueLease
from orders.tests.venue import Venue, until
from trading_portal.kernel import clock

pytestmark = pytest.mark.django_db
START_SECONDS = 60
WORKER = (
    "-m",
    "celery",
    "-A",
    "trading_portal.celery",
    "worker",
    "-P",
    "threads",
    "-c",
    "2",
    "-Q",
    "venue.paper",
    "-l",
    "INFO",
)


@pytest.fixture
def venue() -> Iterator[Venue]:
    made = Venue()
    made.name = "paper"
    yield made
    made.close()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    log = (tmp_path / "worker.log").open("wb")
    environment = {**os.environ, "PORTAL_PAPER_LATENCY_MS": "0", "PORTAL_PAPER_RESTING_MS": "0"}
    process = subprocess.Popen([sys.executable, *WORKER, "-n", "test@%h"], env=environment, stdout=log, stderr=log)
    yield process
    process.kill()
    process.wait()
    log.close()


def test_a_venue_worker_is_woken_through_celery_and_leaves_cleanly(
    venue: Venue, worker: subprocess.Popen[bytes], tmp_path: Path
):
    log = tmp_path / "worker.log"
    until(lambda: VenueLease.objects.filter(venue="paper", expires_at__gt=clock.now()).exists(), seconds=START_SECONDS)
    until(lambda: "ready." in log.read_text(), seconds=START_SECONDS)
    orders = venue.place(5)
    venue.until_base(orders, "filled")
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.set("wake:paper", 1)
    tasks.venue_drain.apply_async(args=["paper"], queue="venue.paper")
    until(lambda: not client.exists("wake:paper"))  # only the task takes the flag away
    client.close()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(START_SECONDS) == 0
    assert VenueLease.objects.get(venue="paper").expires_at <= clock.now()
    assert "Traceback" not in log.read_text()
