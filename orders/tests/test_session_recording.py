"""What a paper venue was told and reported is recorded, and happens again to the same orders."""

from __future__ import annotations

import functools
import io
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command

from orders import services
from orders.brokers.protocol import VenueOrder
from orders.brokers.replay.broker import ReplayBroker
from orders.brokers.replay.session import (
    RecordedOrder,
    RecordedReport,
    Session,
    SessionUnreadable,
    Trigger,
    session_read,
)
from orders.domain.commands import ReplaceFields, ReplaceOrder
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.types import IntentKind, OrderType, TimeInForce
from orders.models import Execution, Order
from orders.tests.venue import Venue, until
from orders.tests.venue_line import Line, replacing
from positions.domain.types import Side
from positions.tests.helpers import BY
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

pytestmark = pytest.mark.django_db


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[tuple[Venue, list[UUID], Path]]:
    """Give a paper venue that has filled, canceled and replaced orders, and the session that was recorded of it."""
    venue = Venue()
    venue.host()
    began = clock.now()
    filled, canceled, replaced = [venue.place(limit=limit)[0] for limit in ("101", "95", "94")]
    venue.until_base([filled], "filled")
    venue.until_base([canceled, replaced], "new")
    venue.cancel(canceled)
    venue.until_base([canceled], "canceled")
    fields = ReplaceFields(quantity=Decimal(7))
    command = ReplaceOrder(
        order_id=replaced, account_id=None, fields=fields, by=BY, correlation_id=uuid7(), requested_at=clock.now()
    )
    assert services.order_replace(command=command, at=clock.now()).status == "requested"
    until(lambda: Order.objects.get(id=replaced).quantity == 7)
    file = tmp_path / "session.jsonl"
    call_command("session_record", venue.name, since=began.isoformat(), output=str(file), stderr=io.StringIO())
    yield venue, [filled, canceled, replaced], file
    venue.close()


def test_a_recorded_session_says_after_which_message_each_report_came(recorded: tuple[Venue, list[UUID], Path]):
    _, orders, file = recorded
    session = session_read(file.read_bytes())
    assert [session.orders[number].order_id for number in (1, 2, 3)] == orders
    told = {
        number: [(line.trigger.kind.value, line.trigger.nth, line.report.kind.value) for line in lines]
        for number, lines in session.reports.items()
    }
    assert told == {
        1: [("submit", 1, "new"), ("submit", 1, "trade")],
        2: [("submit", 1, "new"), ("cancel", 1, "canceled")],
        3: [("submit", 1, "new"), ("replace", 1, "replaced")],
    }
    assert all(0 <= line.after < 10 for lines in session.reports.values() for line in lines)
    assert session.orders[3].quantity == 3  # as it was sent first, not as it was replaced


def test_what_was_recorded_happens_again_to_the_same_orders(recorded: tuple[Venue, list[UUID], Path]):
    _, orders, file = recorded
    sent = {order_id: session_read(file.read_bytes()).orders[number + 1] for number, order_id in enumerate(orders)}
    again = Line(played(file))
    try:
        filled, canceled, replaced = [as_sent(sent[order_id]) for order_id in orders]
        again.submit(replaced, canceled, filled)
        again.until_kinds(filled, "new", "trade")
        again.until_kinds(canceled, "new")
        again.cancel(canceled)
        again.until_kinds(canceled, "new", "canceled")
        asked = replacing(replaced, "7", "94")
        again.replace(asked)
        again.until_kinds(replaced, "new", "replaced")
        assert again.of(replaced)[1].request_id == asked.request_id
        (execution,) = Execution.objects.filter(order_id=orders[0])
        assert (again.of(filled)[1].quantity, again.of(filled)[1].price) == (execution.quantity, execution.price)
        assert again.of(filled)[1].exec_id != execution.exec_id
    finally:
        again.close()


def test_the_whole_order_path_lives_through_a_recorded_session_again(recorded: tuple[Venue, list[UUID], Path]):
    was, orders, file = recorded
    venue = Venue()
    venue.name, venue.symbol = f"replay-{uuid7().hex[-12:]}", was.symbol
    content = file.read_bytes()
    venue.host(lambda: ReplayBroker(venue.name, functools.partial(session_read, content), "run", 0))
    try:
        filled, canceled = [venue.place(limit=limit)[0] for limit in ("101", "95")]
        venue.until_base([filled], "filled")
        venue.until_base([canceled], "new")
        venue.cancel(canceled)
        venue.until_base([canceled], "canceled")
        then, now = [Execution.objects.get(order_id=each) for each in (orders[0], filled)]
        assert (now.quantity, now.price, now.fee) == (then.quantity, then.price, then.fee)
    finally:
        venue.close()


def test_what_the_recording_does_not_have_is_refused(recorded: tuple[Venue, list[UUID], Path]):
    _, _, file = recorded
    first = session_read(file.read_bytes()).orders[1]
    line = Line(played(file))
    try:
        once, twice = as_sent(first), as_sent(first)
        line.submit(once, twice)
        line.until_kinds(once, "new", "trade")
        line.until_kinds(twice, "rejected")
        assert line.of(twice)[0].reason == "NOT_IN_RECORDING"
        line.cancel(once)
        line.until_kinds(once, "new", "trade", "cancel_rejected")
        line.replace(replacing(once, "2", "90"))
        line.until_kinds(once, "new", "trade", "cancel_rejected", "replace_rejected")
    finally:
        line.close()


def written(*told: tuple[float, str, Trigger, dict[str, Any]]) -> tuple[VenueOrder, Callable[[], ReplayBroker]]:
    """Return an order, and brokers of one venue that play this of it at twice the speed."""
    order = VenueOrder(
        order_id=uuid4(), symbol="TEST", side=Side.BUY, order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC,
        quantity=Decimal(10), limit_price=Decimal(90),
    )  # fmt: skip
    fields = {name: getattr(order, name) for name in RecordedOrder.__struct_fields__ if hasattr(order, name)}
    lines: list[RecordedOrder | RecordedReport] = [RecordedOrder(number=1, **{**fields, "order_id": uuid4()})]
    for after, kind, trigger, more in told:
        report = VenueReport(
            venue="was", kind=ReportKind(kind), order_id=uuid4(), exec_id=kind, executed_at=clock.now(), **more
        )
        lines.append(RecordedReport(number=1, trigger=trigger, after=after, report=report))
    venue, run = f"replay-{uuid7().hex[-12:]}", uuid7().hex[-12:]
    return order, functools.partial(ReplayBroker, venue, lambda: Session(lines), run, 2.0)


FILL: dict[str, Any] = {"quantity": Decimal(4), "price": Decimal(90)}
SUBMIT, CANCEL = Trigger(), Trigger(IntentKind.CANCEL)


def test_reports_come_as_late_as_they_did_and_a_restart_of_the_venue_forgets_none():
    order, broker = written((0.1, "new", SUBMIT, {}), (0.4, "trade", SUBMIT, FILL), (2.0, "canceled", SUBMIT, {}))
    line, began = Line(broker()), time.monotonic()
    line.submit(order)
    line.until_kinds(order, "new", "trade")
    assert 0.2 <= time.monotonic() - began < 1.0
    line.close()
    again = Line(broker())
    again.until_kinds(order, "canceled")
    assert time.monotonic() - began >= 1.0
    assert [report.kind.value for report in again.query(order)] == ["new", "trade", "canceled"]
    again.close()


def test_what_followed_a_cancel_follows_it_over_a_restart_too():
    order, broker = written(
        (0, "new", SUBMIT, {}), (0, "cancel_rejected", CANCEL, {}), (0.2, "trade", CANCEL, FILL)
    )  # fmt: skip
    line = Line(broker())
    line.submit(order)
    line.until_kinds(order, "new")
    line.cancel(order)
    line.until_kinds(order, "new", "cancel_rejected")
    line.close()
    again = Line(broker())
    again.until_kinds(order, "trade")
    again.close()


@pytest.mark.parametrize(
    "content", [b"", b"not json", b'{"type":"order"}', b'{"type":"session","venue":"x","since":"now","until":"now"}']
)
def test_a_file_that_is_no_session_is_refused_by_its_line(content: bytes):
    with pytest.raises(SessionUnreadable) as refused:
        session_read(content)
    assert refused.value.reason.facts["line"] == 1


def played(file: Path) -> ReplayBroker:
    content = file.read_bytes()
    return ReplayBroker(f"replay-{uuid7().hex[-12:]}", functools.partial(session_read, content), "run", 0)


def as_sent(recorded: RecordedOrder) -> VenueOrder:
    terms = [name for name in recorded.__struct_fields__ if name not in ("number", "order_id")]
    fields = {name: getattr(recorded, name) for name in terms}
    return VenueOrder(order_id=uuid4(), **fields)
