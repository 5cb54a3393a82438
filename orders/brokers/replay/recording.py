"""Make a session of what a venue was told and what its drop copy says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from orders.brokers.replay.session import Line, RecordedOrder, RecordedReport, SessionHead, Trigger
from orders.domain.facts import OrderFacts
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.types import IntentKind
from orders.selectors.sessions import SentMessage, messages_sent, orders_submitted

ReportsOf = Callable[[Collection[UUID]], Sequence[VenueReport]]
Sent = tuple[Trigger, SentMessage]
_ANSWERS = {
    ReportKind.REPLACED: IntentKind.REPLACE,
    ReportKind.REPLACE_REJECTED: IntentKind.REPLACE,
    ReportKind.CANCEL_REJECTED: IntentKind.CANCEL,
}


def session_recorded(*, venue: str, since: datetime, until: datetime, reports_of: ReportsOf) -> Iterator[Line]:
    """Return the lines of a session: the orders that a venue was sent in a span, and all it ever reported of them."""
    orders = orders_submitted(venue, since=since, until=until)
    ids = [order.id for order in orders]
    sent: dict[UUID, list[Sent]] = {order_id: [] for order_id in ids}
    for message in messages_sent(venue, ids):
        of_order = sent[message.order_id]
        nth = 1 + sum(trigger.kind is message.kind for trigger, _ in of_order)
        of_order.append((Trigger(message.kind, nth), message))
    reports: dict[UUID, list[VenueReport]] = {order_id: [] for order_id in ids}
    for report in reports_of(ids):
        reports[report.order_id].append(report)
    yield SessionHead(venue=venue, since=since, until=until)
    for number, order in enumerate(orders, start=1):
        yield _order_line(number, order)
        yield from _report_lines(number, sent[order.id], reports[order.id])


def _order_line(number: int, order: OrderFacts) -> RecordedOrder:
    return RecordedOrder(
        number=number,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        quantity=order.quantity,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trail_price=order.trail_price,
        trail_percent=order.trail_percent,
        extended_hours=order.extended_hours,
        order_id=order.id,
    )


def _report_lines(number: int, sent: Sequence[Sent], reports: Sequence[VenueReport]) -> Iterator[RecordedReport]:
    """Return what was reported of an order; the messages it followed only ever go forward, as time does."""
    reached = 0
    for report in reports:
        reached = max(reached, _followed(report, sent))
        trigger, message = sent[reached]
        after = (report.executed_at - message.sent_at).total_seconds()
        yield RecordedReport(number=number, trigger=trigger, after=round(max(after, 0.0), 6), report=report)


def _followed(report: VenueReport, sent: Sequence[Sent]) -> int:
    """Return which message a report followed: the one it answers, else the last that was sent before it."""
    kind = _ANSWERS.get(report.kind)
    before = [place for place, (_, message) in enumerate(sent) if message.sent_at <= report.executed_at]
    answers = [
        place
        for place, (trigger, message) in enumerate(sent)
        if trigger.kind is kind and (report.request_id is None or message.request_id == report.request_id)
    ]
    if answers:
        return max((place for place in answers if place in before), default=answers[0])
    return before[-1] if before else 0
