"""A venue's worker: one speaks at a time, nothing is lost between database and venue, nothing is sent twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis
from django.conf import settings

from orders import services, tasks
from orders.domain import breaker
from orders.domain.facts import VenueMessage
from orders.hosting import reconciler, tenure
from orders.hosting.recorder import Recorder
from orders.models import Execution, Order, PaperReport, VenueIntent, VenueLease
from orders.tests.venue import DEEP, FaultyAdapter, Venue, running_threads, until
from trading_portal.kernel import clock

pytestmark = pytest.mark.django_db
POINTS = ("venue.after_claim", "venue.after_intent", "venue.after_send", "venue.before_record")


@pytest.fixture
def venue() -> Iterator[Venue]:
    made = Venue(accounts=4)
    yield made
    made.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconcile sooner than a real worker does."""
    monkeypatch.setattr(reconciler, "ASK_AFTER", timedelta(seconds=0.3))
    monkeypatch.setattr(reconciler, "UNKNOWN_AFTER", timedelta(seconds=1))
    monkeypatch.setattr(reconciler, "COMPARE_SECONDS", 0.5)
    monkeypatch.setattr(reconciler, "TURN_SECONDS", 0.1)
    monkeypatch.setattr(breaker, "PROBE_SECONDS", 0.5)


def test_an_accepted_order_is_sent_filled_and_booked_without_any_wake_up(venue: Venue):
    venue.host()
    orders = venue.place(5)
    venue.until_base(orders, "filled")
    venue.assert_books_agree()
    assert set(VenueIntent.objects.filter(order_id__in=orders).values_list("state", "attempts")) == {("settled", 1)}


def test_what_was_claimed_is_sent_even_when_the_recorder_falls_behind_meanwhile(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
):
    claimed: list[VenueMessage] = []
    claim = services.venue_claim

    def claim_and_note(**wanted: Any) -> list[VenueMessage]:
        claimed.extend(found := claim(**wanted))
        return found

    monkeypatch.setattr(services, "venue_claim", claim_and_note)
    monkeypatch.setattr(Recorder, "backlog", property(lambda _: tenure.BACKLOG if claimed else 0))
    venue.host()
    orders = venue.place(5)
    venue.until_base(orders, "filled")
    assert set(VenueIntent.objects.filter(order_id__in=orders).values_list("attempts", flat=True)) == {1}


def test_a_cancel_reaches_the_venue_and_ends_the_order(venue: Venue):
    venue.host()
    (resting,) = venue.place(limit="95")
    venue.until_base([resting], "new")
    venue.cancel(resting)
    venue.until_base([resting], "canceled")
    assert list(PaperReport.objects.filter(order_id=resting).order_by("id").values_list("kind", flat=True)) == [
        "new",
        "canceled",
    ]


def test_only_one_of_two_hosts_speaks_and_the_other_takes_over_when_it_leaves(venue: Venue):
    first = venue.host()
    until(lambda: first.is_speaking)
    second = venue.host()
    orders = venue.place(5)
    venue.until_base(orders, "filled")
    assert not second.is_speaking
    first.stop()
    until(lambda: second.is_speaking)
    more = venue.place(3)
    venue.until_base(more, "filled")
    venue.assert_books_agree()


def test_a_host_that_lost_its_lease_unnoticed_can_neither_send_nor_record(venue: Venue):
    old = venue.host()
    until(lambda: old.is_speaking)
    (resting,) = venue.place(limit="95")
    venue.until_base([resting], "new")
    fence = VenueLease.objects.get(venue=venue.name).fence
    venue.expire_lease()
    new = venue.host()
    until(lambda: new.is_speaking)
    orders = venue.place(20)
    venue.until_base(orders, "filled")
    until(lambda: not old.is_speaking)
    assert VenueLease.objects.get(venue=venue.name).fence > fence
    assert VenueIntent.objects.filter(order_id__in=orders, fence__lte=fence).count() == 0
    venue.show([("80", "1")], [("90", "100")])
    venue.until_base([resting], "filled")
    venue.assert_books_agree()


def test_orders_placed_while_nobody_hosts_the_venue_are_sent_when_somebody_does(venue: Venue):
    orders = venue.place(10)
    assert set(venue.bases(orders)) == {"accepted"}
    venue.host()
    venue.until_base(orders, "filled")
    venue.assert_books_agree()


def test_a_submit_that_never_reached_the_venue_is_asked_about_and_sent_again(venue: Venue, quick: None):
    adapter = FaultyAdapter(venue.adapter())
    adapter.loses_submits = True
    venue.host(lambda: adapter)
    orders = venue.place(4)
    until(lambda: adapter.lost == 4)
    adapter.loses_submits = False
    venue.show(*DEEP)
    venue.until_base(orders, "filled")
    assert set(VenueIntent.objects.filter(order_id__in=orders).values_list("attempts", flat=True)) == {2}
    venue.assert_books_agree()


def test_a_cancel_that_never_reached_the_venue_is_sent_again(venue: Venue, quick: None):
    adapter = FaultyAdapter(venue.adapter())
    venue.host(lambda: adapter)
    (resting,) = venue.place(limit="95")
    venue.until_base([resting], "new")
    adapter.loses_cancels = True
    venue.cancel(resting)
    until(lambda: adapter.lost == 1)
    adapter.loses_cancels = False
    venue.until_base([resting], "canceled")


def test_reports_that_were_lost_on_the_way_come_from_the_drop_copy(venue: Venue, quick: None):
    adapter = FaultyAdapter(venue.adapter())
    adapter.loses_reports = True
    venue.host(lambda: adapter)
    orders = venue.place(6)
    venue.until_base(orders, "filled")
    assert adapter.lost == 12
    venue.assert_books_agree()
    last = PaperReport.objects.filter(venue=venue.name).latest("id").id
    until(lambda: VenueLease.objects.get(venue=venue.name).drop_copy_id == last)


def test_an_order_whose_outcome_nobody_can_tell_is_unknown_until_the_venue_answers(venue: Venue, quick: None):
    adapter = FaultyAdapter(venue.adapter())
    host = venue.host(lambda: adapter)
    until(lambda: bool(running_threads(f"send-{venue.name}")))
    adapter.loses_reports = adapter.is_silent = True
    orders = venue.place(3)
    until(lambda: Order.objects.filter(id__in=orders, is_unknown=True).count() == 3)
    assert set(venue.bases(orders)) == {"pending_new"}
    adapter.loses_reports = adapter.is_silent = False
    venue.until_base(orders, "filled")
    assert Order.objects.filter(id__in=orders, is_unknown=True).count() == 0
    assert host.is_speaking
    venue.assert_books_agree()


def test_an_unknown_order_that_the_venue_never_heard_of_is_rejected(venue: Venue, quick: None):
    adapter = FaultyAdapter(venue.adapter())
    venue.host(lambda: adapter)
    until(lambda: bool(running_threads(f"send-{venue.name}")))
    adapter.loses_submits = adapter.is_silent = True
    orders = venue.place(2)
    until(lambda: Order.objects.filter(id__in=orders, is_unknown=True).count() == 2)
    adapter.is_silent = False
    venue.until_base(orders, "rejected")
    assert Execution.objects.filter(order_id__in=orders).count() == 0


def test_a_cancel_that_was_lost_in_silence_is_sent_again_once_the_venue_speaks(venue: Venue, quick: None):
    adapter = FaultyAdapter(venue.adapter())
    venue.host(lambda: adapter)
    (resting,) = venue.place(limit="95")
    venue.until_base([resting], "new")
    adapter.loses_cancels = adapter.is_silent = True
    venue.cancel(resting)
    until(lambda: Order.objects.get(id=resting).is_unknown)
    adapter.loses_cancels = adapter.is_silent = False
    venue.until_base([resting], "canceled")
    assert not Order.objects.get(id=resting).is_unknown


@pytest.mark.parametrize(
    "point", ["venue.after_claim", "venue.after_intent", "venue.after_send", "venue.before_record"]
)
def test_a_worker_killed_at_any_point_loses_and_doubles_nothing(venue: Venue, tmp_path: Path, point: str):
    (tmp_path / point).write_text("1")
    orders: list[UUID] = []
    with hosted_elsewhere(venue, tmp_path) as process:
        deadline = clock.monotonic() + 20
        while process.poll() is None:
            assert clock.monotonic() < deadline, f"{point} was never reached"
            orders += venue.place(4)
            time.sleep(0.1)
    assert process.returncode == -signal.SIGKILL
    venue.expire_lease()
    venue.host()
    venue.show(*DEEP)
    venue.until_base(orders, "filled")
    venue.assert_books_agree()


def test_a_stopped_worker_that_wakes_up_again_says_nothing_more(venue: Venue, tmp_path: Path):
    with hosted_elsewhere(venue, tmp_path) as process:
        first = venue.place(5)
        venue.until_base(first, "filled")
        process.send_signal(signal.SIGSTOP)
        second = venue.place(5)
        venue.expire_lease()
        venue.host()
        venue.until_base(second, "filled")
        process.send_signal(signal.SIGCONT)
        third = venue.place(5)
        venue.until_base(third, "filled")
        fence = VenueLease.objects.get(venue=venue.name).fence
        assert set(VenueIntent.objects.filter(order_id__in=second + third).values_list("fence", flat=True)) == {fence}
        venue.assert_books_agree()
        process.terminate()
        assert process.wait(20) == 0


def test_a_worker_stopped_between_intent_and_send_does_not_send_once_its_time_is_over(venue: Venue, tmp_path: Path):
    said = tmp_path / "said"
    with hosted_elsewhere(venue, tmp_path, str(said)) as process:
        until(lambda: VenueLease.objects.filter(venue=venue.name).exists())
        orders = venue.place(3)
        until(lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        assert set(VenueIntent.objects.filter(order_id__in=orders).values_list("state", flat=True)) == {"sent"}
        stopped_at = clock.monotonic()
        venue.expire_lease()
        venue.host()
        venue.until_base(orders, "filled")
        until(lambda: clock.monotonic() > stopped_at + 2.5)  # its own lease of three seconds, less a margin, is over
        process.send_signal(signal.SIGCONT)
        venue.until_base(venue.place(2), "filled")
        process.terminate()
        assert process.wait(20) == 0
    assert not said.exists()
    venue.assert_books_agree()


@contextmanager
def hosted_elsewhere(venue: Venue, failpoints: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Host the venue in another process, which dies where a failpoint is armed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "orders.tests.host_process", venue.name, *arguments],
        env={**os.environ, "PORTAL_FAILPOINTS": str(failpoints)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_stopping_host_records_what_the_venue_did_and_frees_the_lease(venue: Venue):
    host = venue.host()
    until(lambda: host.is_speaking)
    venue.place(30)
    until(lambda: Execution.objects.filter(venue=venue.name).exists())
    host.stop()
    assert not host.is_alive()
    assert running_threads(f"record-{venue.name}") == running_threads(f"line-{venue.name}") == []
    assert VenueLease.objects.get(venue=venue.name).expires_at <= clock.now()
    venue.assert_books_agree()


def test_a_wake_up_is_sent_once_until_it_is_taken(monkeypatch: pytest.MonkeyPatch):
    sent: list[str] = []
    monkeypatch.setattr(tasks.venue_drain, "apply_async", lambda args, **_: sent.extend(args))
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.delete("wake:test-venue")
    tasks.venue_wake("test-venue")
    until(lambda: sent == ["test-venue"])
    tasks.venue_wake("test-venue")
    tasks.venue_wake("other-venue")
    until(lambda: "other-venue" in sent)
    assert sent == ["test-venue", "other-venue"]
    tasks.venue_drain("test-venue")  # which nobody here has: it may be asked for again at once
    tasks.venue_wake("test-venue")
    until(lambda: sent == ["test-venue", "other-venue", "test-venue"])
    client.delete("wake:test-venue", "wake:other-venue")
    client.close()
