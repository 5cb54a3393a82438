"""What goes wrong between a paper venue and us, and how its venues are configured; its own books stay true."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.conf import settings

from orders.brokers.paper.profile import Faults, PaperProfile
from orders.brokers.paper.wire import Wire
from orders.brokers.registry import ADAPTERS, paper_profile
from orders.domain.reports import ReportKind, VenueReport
from orders.tests.paper import PaperDriver
from orders.tests.paper_floor import NOON, order
from orders.tests.venue_line import Line

COUNT = 4_000


def reports(count: int = COUNT) -> list[VenueReport]:
    return [
        VenueReport(venue="v", kind=ReportKind.NEW, order_id=uuid4(), exec_id=str(number), executed_at=NOON)
        for number in range(count)
    ]


def carried(faults: Faults, sent: list[VenueReport]) -> list[str]:
    """Return what arrives of reports that are sent one each millisecond, in the order it does."""
    wire, arrived = Wire(faults), list[VenueReport]()
    for number, report in enumerate(sent):
        arrived += wire.carry([report], number / 1000)
    arrived += wire.carry([], len(sent) / 1000 + 60)
    assert wire.next_due_at is None
    return [report.exec_id or "" for report in arrived]


def test_a_sound_wire_carries_everything_once_and_in_order():
    sent = reports(50)
    assert carried(Faults(), sent) == [report.exec_id for report in sent]


@pytest.mark.parametrize(
    ("faults", "least", "most"),
    [
        (Faults(drop=0.1), 0.88 * COUNT, 0.92 * COUNT),
        (Faults(duplicate=0.1), 1.08 * COUNT, 1.12 * COUNT),
        (Faults(reorder=0.1), COUNT, COUNT),
        (Faults(delay=0.1), COUNT, COUNT),
    ],
)
def test_a_faulty_wire_loses_doubles_and_mixes_its_share(faults, least, most):
    sent = reports()
    arrived = carried(faults, sent)
    assert least <= len(arrived) <= most
    assert set(arrived) <= {report.exec_id for report in sent}
    if not faults.drop:
        assert set(arrived) == {report.exec_id for report in sent}
    if not faults.drop and not faults.duplicate:
        assert arrived != sorted(arrived, key=int)
    assert carried(faults, sent) == arrived
    other = Faults(faults.drop, faults.duplicate, faults.reorder, faults.delay, seed=2)
    assert carried(other, sent) != arrived


def test_what_is_held_back_arrives_when_the_line_ends_in_order():
    wire, sent = Wire(Faults(delay=1)), reports(3)
    assert wire.carry(sent, 0) == []
    assert wire.next_due_at == 1
    assert wire.flush() == sent
    assert wire.flush() == []


@pytest.fixture
def faulty(request: pytest.FixtureRequest) -> Iterator[tuple[PaperDriver, Line]]:
    driver = PaperDriver(PaperProfile(0, 0, faults=request.param))
    driver.show(bids=[("99.9", "100")], asks=[("100.1", "100")])
    line = Line(driver.adapter())
    yield driver, line
    line.close()


@pytest.mark.django_db
@pytest.mark.parametrize("faulty", [Faults(drop=1)], indirect=True)
def test_what_the_wire_loses_is_in_the_query_and_the_drop_copy(faulty):
    _, line = faulty
    sent = order("buy", "10")
    line.submit(sent)
    line.until(lambda: len(line.query(sent)) == 2)
    assert [report.kind.value for report in line.copied(sent)] == ["new", "trade"]
    assert line.reports == []


@pytest.mark.django_db
@pytest.mark.parametrize("faulty", [Faults(lose=1)], indirect=True)
def test_a_message_that_is_lost_was_never_heard_of(faulty):
    _, line = faulty
    sent = order("buy", "10")
    line.submit(sent)
    assert [report.kind.value for report in line.query(sent)] == ["status_unknown_order"]


@pytest.mark.django_db
@pytest.mark.parametrize("faulty", [Faults(fail=0.5)], indirect=True)
def test_a_call_that_fails_may_have_reached_the_venue_all_the_same(faulty):
    _, line = faulty
    sent = [order("buy", "1") for _ in range(40)]
    for each in sent:
        line.attempt(lambda each=each: line.submit(each))
    told = len(sent) - len(line.doubts)
    line.until(lambda: len({report.order_id for report in line.reports}) > told)
    assert {type(error) for error in line.doubts} == {ConnectionError}
    assert len({report.order_id for report in line.reports}) < len(sent)


def test_every_named_venue_has_an_adapter_and_another_venue_behaves_as_the_first():
    assert {name: ADAPTERS[name]().name for name in settings.PAPER_VENUES} == {
        name: name for name in settings.PAPER_VENUES
    }
    assert paper_profile("desk-1") == paper_profile()
