"""One order that is played: what it was told, and which recorded report comes next. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from orders.brokers.replay.session import RecordedReport, Trigger
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.types import IntentKind

ANSWERS = (ReportKind.CANCELED, ReportKind.CANCEL_REJECTED, ReportKind.EXPIRED, ReportKind.REJECTED)


@dataclass(slots=True)
class Told:
    """A message that came, and when (monotonic seconds)."""

    at: float
    request_id: UUID | None = None


@dataclass(slots=True)
class Playing:
    """Play one order's recorded reports in their order, each no sooner than the message it followed has come."""

    order_id: UUID
    recorded: Sequence[RecordedReport]
    told: dict[Trigger, Told] = field(default_factory=dict)
    played: int = 0

    def due_at(self, speed: float) -> float | None:
        """Return when the next report is due; None while nothing leads to one."""
        if self.played >= len(self.recorded):
            return None
        following = self.recorded[self.played]
        told = self.told.get(following.trigger)
        if told is None:
            return None
        return told.at + (following.after / speed if speed else 0.0)

    def tell(self, kind: IntentKind, at: float, request_id: UUID | None = None) -> Trigger | None:
        """Note a cancel or replace; None when the recording has no answer to it.

        A repeat is the message that came before: a replace with the same id, a cancel that is not answered yet.
        """
        told = {trigger: each for trigger, each in self.told.items() if trigger.kind is kind}
        for trigger, each in told.items():
            is_same = each.request_id == request_id if kind is IntentKind.REPLACE else self.has_more(trigger)
            if is_same:
                return trigger
        trigger = Trigger(kind, len(told) + 1)
        if not any(line.trigger == trigger for line in self.recorded[self.played :]):
            return None
        self.told[trigger] = Told(at, request_id)
        return trigger

    def has_more(self, trigger: Trigger) -> bool:
        """Tell whether reports that follow a message are still to come."""
        return any(line.trigger == trigger for line in self.recorded[self.played :])

    def request_of(self, report: RecordedReport) -> UUID | None:
        """Return the replace that a report answers now, in place of the recorded one."""
        is_answer = report.report.kind in (ReportKind.REPLACED, ReportKind.REPLACE_REJECTED)
        told = self.told.get(report.trigger)
        return told.request_id if told and is_answer else None


def exec_id_of(order_id: UUID, recorded: str | None) -> str | None:
    """Return the id of a played report: another for every order, the same whenever it is told again."""
    return None if recorded is None else str(uuid5(order_id, recorded))


def as_played(venue: str, venue_order_id: str, playing: Playing, line: RecordedReport) -> VenueReport:
    """Return a recorded report as it is told of an order of today; whoever reports it dates it."""
    recorded = line.report
    return VenueReport(
        venue=venue,
        kind=recorded.kind,
        order_id=playing.order_id,
        venue_order_id=venue_order_id,
        exec_id=exec_id_of(playing.order_id, recorded.exec_id or f"{line.number}:{playing.played}"),
        ref_exec_id=exec_id_of(playing.order_id, recorded.ref_exec_id),
        quantity=recorded.quantity,
        price=recorded.price,
        fee=recorded.fee,
        reason=recorded.reason,
        restatement=recorded.restatement,
        request_id=playing.request_of(line),
        stop_price=recorded.stop_price,
        ratio=recorded.ratio,
        executed_at=recorded.executed_at,
    )
