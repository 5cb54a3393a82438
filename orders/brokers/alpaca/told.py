"""What is known of one order while its story is taken further."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from orders.brokers.alpaca import words
from orders.brokers.alpaca.words import PAUSES, Fields
from orders.brokers.copies import ReportCopy
from orders.domain.reports import ReportKind
from trading_portal.kernel.money import ZERO


@dataclass(slots=True)
class Told:
    """What is known of one order: every report so far, and what the venue says now."""

    copies: list[ReportCopy]
    fresh: list[ReportCopy] = field(default_factory=list)

    def __iter__(self) -> Iterator[ReportCopy]:
        """Go through all reports, the new ones last."""
        return iter([*self.copies, *self.fresh])

    def has(self, exec_id: str) -> bool:
        """Tell whether a report is known."""
        return any(copy.report.exec_id == exec_id for copy in self)

    def trades(self, venue_order_id: str | None) -> list[ReportCopy]:
        """Return the trades of one of the venue's orders, or of all, that nobody took back."""
        gone = {copy.report.ref_exec_id for copy in self if copy.report.ref_exec_id}
        return [
            copy
            for copy in self
            if copy.report.kind is ReportKind.TRADE
            and venue_order_id in (None, copy.report.venue_order_id)
            and copy.report.exec_id not in gone
        ]

    def lacks(self, order: Fields) -> bool:
        """Tell whether trades are missing that the venue counts; some venues count on through a replace."""
        counted = words.amount(order.get("filled_qty")) or ZERO
        return self._filled(str(order["id"])) < counted and self._filled(None) < counted

    def _filled(self, venue_order_id: str | None) -> Decimal:
        return sum((copy.report.quantity or ZERO for copy in self.trades(venue_order_id)), ZERO)

    def last_state(self) -> ReportKind | None:
        """Return the last report that was no trade and no answer to a request."""
        states = [copy.report.kind for copy in self if copy.report.kind in {ReportKind.NEW, *PAUSES.values()}]
        states += [ReportKind.NEW for copy in self.fresh if copy.report.kind is ReportKind.RESTATED]
        return states[-1] if states else None
