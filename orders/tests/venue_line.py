"""An adapter on a line of its own, as a worker holds it, and what it reports."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from orders.brokers.protocol import BrokerAdapter, VenueCancel, VenueGone, VenueOrder, VenueReplace
from orders.domain.reports import ReportKind, VenueReport
from orders.tests.venue_script import SECONDS


class Line:
    """Hold one adapter on an event loop of its own, as a worker does, and keep what it reports."""

    def __init__(self, adapter: BrokerAdapter) -> None:
        self.adapter = adapter
        self.reports: list[VenueReport] = []
        self.threads: set[str] = set()
        self.doubts: list[Exception] = []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="line", daemon=True)
        self.thread.start()
        try:
            self.run(adapter.start(self._on_reports))
        except BaseException:
            self._end()
            raise

    def _on_reports(self, reports: Sequence[VenueReport]) -> None:
        self.threads.add(threading.current_thread().name)
        self.reports.extend(reports)

    def run(self, call: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(call, self.loop).result(SECONDS)

    def submit(self, *orders: VenueOrder) -> None:
        self.run(self.adapter.submit(orders))

    def cancel(self, *orders: VenueOrder) -> None:
        self.run(self.adapter.cancel([VenueCancel(order.order_id) for order in orders]))

    def replace(self, *replaces: VenueReplace) -> None:
        self.run(self.adapter.replace(replaces))

    def query(self, *orders: VenueOrder) -> list[VenueReport]:
        return list(self.run(self.adapter.query([order.order_id for order in orders])))

    def attempt(self, call: Callable[[], None]) -> None:
        """Send what may fail: an error says that the outcome is in doubt, and nothing more."""
        try:
            call()
        except VenueGone:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is in doubt
            self.doubts.append(error)

    def of(self, order: VenueOrder) -> list[VenueReport]:
        return [report for report in list(self.reports) if report.order_id == order.order_id]

    def kinds(self, order: VenueOrder) -> list[str]:
        return [report.kind.value for report in self.of(order)]

    def once(self, order: VenueOrder) -> list[str]:
        """Return the kinds of an order's reports, each exec_id once: a repeat is harmless."""
        return [report.kind.value for report in {report.exec_id: report for report in self.of(order)}.values()]

    def filled(self, order: VenueOrder) -> Decimal:
        return filled(self.of(order))

    def copied(self, order: VenueOrder, since_id: int = 0) -> list[VenueReport]:
        """Return what the drop copy has of an order."""
        return [report for report in everything(self, since_id)[0] if report.order_id == order.order_id]

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < deadline, [(r.kind.value, str(r.quantity), r.reason) for r in self.reports]
            time.sleep(0.002)

    def until_kinds(self, order: VenueOrder, *kinds: str) -> None:
        self.until(lambda: len(self.kinds(order)) >= len(kinds))
        assert self.kinds(order) == list(kinds)

    def until_once(self, order: VenueOrder, *kinds: str) -> None:
        self.until(lambda: len(self.once(order)) >= len(kinds))
        assert self.once(order) == list(kinds)

    def close(self) -> None:
        self.run(self.adapter.stop())
        self._end()

    def _end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(SECONDS)
        self.loop.close()


def filled(reports: Sequence[VenueReport]) -> Decimal:
    """Return what reports say was traded, each exec_id once."""
    trades = {report.exec_id: report.quantity for report in reports if report.kind is ReportKind.TRADE}
    return sum((quantity for quantity in trades.values() if quantity is not None), Decimal(0))


def everything(line: Line, since_id: int) -> tuple[list[VenueReport], int]:
    """Return the whole drop copy from a point on, and where it ends."""
    found: list[VenueReport] = []
    while (page := line.run(line.adapter.drop_copy(since_id))).reports:
        found, since_id = found + list(page.reports), page.last_id
    return found, since_id


def replacing(order: VenueOrder, quantity: str, limit: str, request_id: UUID | None = None) -> VenueReplace:
    """Return a replace of an order."""
    return VenueReplace(
        order_id=order.order_id,
        request_id=request_id or uuid4(),
        quantity=Decimal(quantity),
        time_in_force=order.time_in_force,
        limit_price=Decimal(limit),
    )
