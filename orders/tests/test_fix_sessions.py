"""A FIX session in full: every report there is, and nothing lost or doubled when either side is killed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from django.db import connection

from orders.brokers.fix.broker import MassStatusFixBroker
from orders.brokers.fix.profile import engine_settings, profile_from
from orders.brokers.protocol import VenueGone, VenueOrder
from orders.domain.reports import ReportKind, Restatement
from orders.domain.types import OrderType, TimeInForce
from orders.models import FixLink, VenueReportCopy
from orders.tests.fix_driver import FixScript, FixVenue
from orders.tests.venue import until
from orders.tests.venue_line import Line, replacing
from positions.domain.types import Side
from positions.tests.helpers import rows
from trading_portal.kernel import clock

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def venue() -> Iterator[FixVenue]:
    made = FixVenue()
    yield made
    made.close()


@pytest.fixture
def script(venue: FixVenue, tmp_path: Path) -> FixScript:
    return FixScript(venue, tmp_path)


@pytest.fixture
def line(script: FixScript) -> Iterator[Line]:
    opened = Line(script.adapter())
    yield opened
    opened.close()


def order(**changes: Any) -> VenueOrder:
    return VenueOrder(**{
        "order_id": uuid4(), "symbol": "TEST", "side": Side.BUY, "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC, "quantity": Decimal(10), "limit_price": Decimal(90), **changes,
    })  # fmt: skip


@pytest.fixture
def resting(line: Line) -> VenueOrder:
    sent = order()
    line.submit(sent)
    line.until_kinds(sent, "new")
    return sent


# What is said


def test_it_logs_on_with_its_credentials(line: Line, venue: FixVenue):
    assert venue.do("said")["logons"][-1] == {"553": "portal", "554": "secret"}


@pytest.mark.parametrize(
    "changes",
    [
        {"order_type": OrderType.MARKET, "limit_price": None, "side": Side.SELL},
        {"order_type": OrderType.STOP, "limit_price": None, "stop_price": Decimal("95.5")},
        {"order_type": OrderType.STOP_LIMIT, "stop_price": Decimal("95.5"), "quantity": Decimal("0.00012345")},
        {"order_type": OrderType.TRAILING_STOP, "limit_price": None, "trail_price": Decimal("1.5")},
        {"order_type": OrderType.TRAILING_STOP, "limit_price": None, "trail_percent": Decimal("2.5")},
        {"time_in_force": TimeInForce.DAY, "extended_hours": True},
        {"time_in_force": TimeInForce.OPG},
        {"time_in_force": TimeInForce.CLS},
    ],
)
def test_every_type_of_order_passes_the_venues_dictionary(venue: FixVenue, tmp_path: Path, changes: dict[str, Any]):
    opened = Line(FixScript(venue, tmp_path, extended_session="EXTENDED", account="ACME").adapter())
    try:
        sent = order(**changes)
        opened.submit(sent)
        opened.until(lambda: bool(opened.of(sent)))
        assert opened.kinds(sent)[0] == "new"
    finally:
        opened.close()


def test_an_order_that_is_good_till_a_date_says_so(line: Line):
    sent = order(expires_at=clock.now() + timedelta(days=3))
    line.submit(sent)
    line.until_kinds(sent, "new")
    line.replace(replacing(sent, "12", "91"))
    line.until_kinds(sent, "new", "replaced")


def test_what_a_session_cannot_carry_is_refused_here(line: Line):
    sent = order(extended_hours=True)
    line.submit(sent)
    line.until_kinds(sent, "rejected")
    assert line.of(sent)[0].reason == "EXTENDED_HOURS_NOT_SUPPORTED"
    line.submit(sent)
    line.until_kinds(sent, "rejected", "rejected")
    assert len({report.exec_id for report in line.of(sent)}) == 1
    assert [report.kind for report in line.query(sent)] == [ReportKind.REJECTED]


# What is heard


def test_pending_states_are_told_as_status_and_change_nothing(script: FixScript, line: Line):
    script.venue.do("set", what="pending", value=True)
    try:
        sent = order()
        line.submit(sent)
        line.until_kinds(sent, "status", "new")
        line.replace(replacing(sent, "12", "91"))
        line.until_kinds(sent, "status", "new", "status", "replaced")
        line.cancel(sent)
        line.until_kinds(sent, "status", "new", "status", "replaced", "status", "canceled")
    finally:
        script.venue.do("set", what="pending", value=None)


@pytest.mark.parametrize(
    ("exec_type", "status", "kind"),
    [
        ("7", "7", ReportKind.STOPPED),
        ("9", "9", ReportKind.SUSPENDED),
        ("3", "3", ReportKind.DONE_FOR_DAY),
        ("B", "B", ReportKind.CALCULATED),
        ("C", "C", ReportKind.EXPIRED),
        ("8", "8", ReportKind.REJECTED),
        ("4", "4", ReportKind.CANCELED),
        ("I", "", ReportKind.STATUS),
    ],
)
def test_the_venue_may_say_anything_of_an_order_unasked(
    script: FixScript, line: Line, resting: VenueOrder, exec_type: str, status: str, kind: ReportKind
):
    script.do("move", resting, exec_type=exec_type, status=status, _58="because")
    line.until_kinds(resting, "new", kind.value)
    assert line.of(resting)[1].reason == "because"


@pytest.mark.parametrize(
    ("why", "restatement"),
    [("1", Restatement.RENEWAL), ("8", Restatement.RELEASE), ("3", None)],
)
def test_a_restatement_says_why(
    script: FixScript, line: Line, resting: VenueOrder, why: str, restatement: Restatement | None
):
    script.do("move", resting, exec_type="D", _378=why)
    line.until_kinds(resting, "new", "restated")
    assert line.of(resting)[1].restatement is restatement


def test_a_split_gives_the_new_quantity_and_the_ratio_after_replaces_and_splits(script: FixScript, line: Line):
    sent = order()
    line.submit(sent)
    line.until_kinds(sent, "new")
    line.replace(replacing(sent, "12", "90"))
    line.until_kinds(sent, "new", "replaced")
    script.do("split", sent, ratio="2")
    script.do("split", sent, ratio="1.5")
    line.until_kinds(sent, "new", "replaced", "restated", "restated")
    splits = line.of(sent)[2:]
    assert [(str(s.quantity), str(s.price), str(s.ratio)) for s in splits] == [("24", "45", "2"), ("36", "30", "1.5")]


def test_fees_are_commission_by_unit_or_in_all_and_every_other_fee(script: FixScript, line: Line, resting: VenueOrder):
    script.venue.do("set", what="fees", value={"_12": "0.02", "_13": "1"})
    script.fill(resting, "5", "89.5")
    script.venue.do("set", what="fees", value={"_12": "1.25", "_13": "3"})
    script.fill(resting, "5", "89.5")
    script.venue.do("set", what="fees", value={})
    line.until_kinds(resting, "new", "trade", "trade")
    assert [str(report.fee) for report in line.of(resting)[1:]] == ["0.1000000000", "1.2500000000"]


@pytest.mark.parametrize("how", ["business_reject", "session_reject"])
def test_a_message_the_venue_does_not_take_rejects_what_it_asked(script: FixScript, line: Line, how: str):
    script.venue.do("set", what=how, value=True)
    sent = order()
    line.submit(sent)
    line.until_kinds(sent, "rejected")
    assert line.of(sent)[0].reason


def test_a_cancel_or_replace_the_venue_does_not_take_is_refused_and_the_order_works(
    script: FixScript, line: Line, resting: VenueOrder
):
    script.venue.do("set", what="session_reject", value=True)
    line.cancel(resting)
    line.until_kinds(resting, "new", "cancel_rejected")
    script.venue.do("set", what="session_reject", value=True)
    asked = replacing(resting, "12", "91")
    line.replace(asked)
    line.until_kinds(resting, "new", "cancel_rejected", "replace_rejected")
    assert line.of(resting)[2].request_id == asked.request_id


def test_a_report_of_an_order_that_is_not_ours_is_kept_and_passed_on(script: FixScript, line: Line):
    partner = script.profile.sender_comp_id
    script.venue.do("stray", partner=partner, _37="V?", _17="X1", _150="F", _39="2", _11="by phone", _55="TEST",
                    _54="1", _32="3", _31="91", _151="0", _14="3", _6="91")  # fmt: skip
    line.until(lambda: len(line.reports) == 1)
    (report,) = line.reports
    assert (report.kind, report.quantity, report.exec_id) == (ReportKind.TRADE, 3, "X1")
    assert "|11=by phone|" in VenueReportCopy.objects.get(venue=script.name).message


def test_a_fill_nobody_can_read_is_passed_on_without_what_cannot_be_read(script: FixScript, line: Line):
    sent = order()
    line.submit(sent)
    line.until_kinds(sent, "new")
    stray = {"_37": "V1", "_39": "1", "_11": str(sent.order_id), "_55": "TEST", "_54": "1", "_151": "9", "_14": "1",
             "_6": "90", "partner": script.profile.sender_comp_id}  # fmt: skip
    script.venue.do("stray", **stray, _17="Y1", _150="F", _32="0.12345678901234", _31="90")
    script.venue.do("stray", **stray, _17="Y2" * 40, _150="F", _32="1", _31="90")
    line.until_kinds(sent, "new", "trade", "trade")
    unread, long = line.of(sent)[1:]
    assert (unread.quantity, unread.price) == (None, 90)
    assert len(long.exec_id or "") == 64


# Questions


def test_a_venue_that_does_not_answer_is_a_timeout_and_a_late_answer_harms_nobody(
    script: FixScript, line: Line, resting: VenueOrder
):
    script.venue.do("set", what="ignore_status", value=True)
    with pytest.raises(TimeoutError):
        line.query(resting)
    script.venue.do("set", what="ignore_status", value=None)
    assert [report.kind for report in line.query(resting)] == [ReportKind.NEW]


def test_the_venue_is_asked_for_all_open_orders_at_once_where_it_answers_that(script: FixScript):
    opened = Line(MassStatusFixBroker(script.name, script.profile, script.root))
    try:
        assert opened.run(opened.adapter.open_orders()) == set()
        works, ended = order(), order()
        opened.submit(works, ended)
        opened.until(lambda: len(opened.reports) == 2)
        opened.replace(replacing(works, "12", "91"))
        opened.cancel(ended)
        opened.until_kinds(ended, "new", "canceled")
        assert opened.run(opened.adapter.open_orders()) == {works.order_id}
    finally:
        opened.close()


# The session


def test_requests_the_venue_missed_are_not_repeated_by_the_session_but_asked_about(script: FixScript, line: Line):
    script.cut()
    lost = order()
    line.attempt(lambda: line.submit(lost))
    script.mend()
    line.until(lambda: _answers(line, order()))
    assert [report.kind for report in line.query(lost)] == [ReportKind.STATUS_UNKNOWN_ORDER]


def test_what_was_sent_while_the_line_was_cut_comes_as_possible_duplicates(
    script: FixScript, line: Line, resting: VenueOrder
):
    script.cut()
    script.fill(resting, "4", "89.5")
    script.fill(resting, "6", "89.4")
    script.mend()
    line.until_kinds(resting, "new", "trade", "trade")
    copies = VenueReportCopy.objects.filter(order_id=resting.order_id, report__kind="trade")
    assert ["|43=Y|" in copy.message for copy in copies] == [True, True]


def test_what_the_engine_got_and_we_did_not_record_before_a_kill_is_asked_for_again(script: FixScript):
    first = Line(script.adapter())
    sent = order()
    first.submit(sent)
    first.until_kinds(sent, "new")
    up_to = FixLink.objects.get(venue=script.name).received_up_to
    script.fill(sent, "4", "89.5")
    script.fill(sent, "6", "89.4")
    first.until_kinds(sent, "new", "trade", "trade")
    first.close()
    rows("UPDATE orders_fixlink SET received_up_to = %s WHERE venue = %s RETURNING 1", up_to, script.name)
    rows("DELETE FROM orders_venuereportcopy WHERE order_id = %s AND id > %s RETURNING 1", sent.order_id,
         VenueReportCopy.objects.filter(order_id=sent.order_id).earliest("id").id)  # fmt: skip
    second = Line(script.adapter())
    try:
        second.until_kinds(sent, "trade", "trade")
        assert [report.kind.value for report in second.copied(sent)] == ["new", "trade", "trade"]
        assert [r.exec_id for r in second.of(sent)] == [r.exec_id for r in first.of(sent)][1:]
    finally:
        second.close()


def test_a_number_the_venue_finds_too_low_is_taken_from_it(script: FixScript, tmp_path: Path):
    opened = Line(script.adapter())
    for _ in range(3):
        sent = order()
        opened.submit(sent)
        opened.until_kinds(sent, "new")
    opened.close()
    shutil.rmtree(tmp_path / script.name)
    adapter = script.adapter()
    started: list[Line] = []
    until(lambda: _started(adapter, started), seconds=10)
    try:
        sent = order()
        started[0].submit(sent)
        started[0].until_kinds(sent, "new")
    finally:
        started[0].close()


def test_an_adapter_whose_session_was_taken_over_says_nothing_more(script: FixScript, line: Line, resting: VenueOrder):
    line.run(line.adapter.drop_copy(0))
    rows("UPDATE orders_fixlink SET generation = generation + 1 WHERE venue = %s RETURNING 1", script.name)
    script.cut()
    script.mend()
    with pytest.raises(VenueGone):
        _until_raises(lambda: line.submit(order()))


def _until_raises(call: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            call()
        except ConnectionError:
            time.sleep(0.05)


def _answers(line: Line, known: VenueOrder) -> bool:
    doubts = len(line.doubts)
    line.attempt(lambda: line.run(line.adapter.query([known.order_id])))
    return len(line.doubts) == doubts


def _started(adapter: Any, started: list[Line]) -> bool:
    try:
        started.append(Line(adapter))
    except ConnectionError:
        return False
    return True


def test_a_lost_database_connection_loses_and_doubles_nothing(script: FixScript, line: Line):
    sent = [order() for _ in range(10)]
    line.submit(*sent)
    line.until(lambda: len(line.reports) == 10)
    for number, each in enumerate(sent):
        if number in (2, 6):
            line.until(lambda number=number: all(line.filled(done) == 10 for done in sent[:number]))
            _end_connections_of_adapters()
        script.fill(each, "4", "89.5")
        script.fill(each, "6", "89.4")
    line.until(lambda: all(line.filled(each) == 10 for each in sent))
    copies = VenueReportCopy.objects.filter(venue=script.name)
    assert (copies.count(), copies.filter(report__kind="trade").count()) == (30, 20)


def _end_connections_of_adapters() -> None:
    connection.close()  # the test's own
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as own:
        ended = own.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND query ~ 'orders_fix|orders_venuereportcopy|COMMIT' AND pid <> pg_backend_pid()"
        ).fetchall()
    assert ended


# Configuration


def test_a_venue_is_configured_by_texts_and_a_wrong_one_is_refused():
    texts = {"HOST": "fix.example", "PORT": "9876", "SENDER_COMP_ID": "US", "TARGET_COMP_ID": "THEM",
             "MASS_STATUS": "true", "HEARTBEAT_SECONDS": "30", "START_DAY": "sunday", "END_DAY": "friday",
             "ANSWER_SECONDS": "", "PASSWORD": "x=y"}  # fmt: skip
    profile = profile_from(texts)
    assert (profile.port, profile.mass_status, profile.answer_seconds, profile.password) == (9876, True, 3.5, "x=y")
    settings = engine_settings(profile, Path("/data"))
    assert "StartDay=SU\nEndDay=FR\n" in settings
    assert "x=y" not in settings
    for name, wrong in (("PORT", "0"), ("SENDER_COMP_ID", "A\n[SESSION]"), ("START_TIME", "25:00:00"), ("HOST", "")):
        with pytest.raises(msgspec.ValidationError):
            profile_from({**texts, name: wrong})
