"""The contract of every broker adapter: a venue's test class inherits BrokerContract and brings a VenueDriver."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Protocol
from uuid import uuid4

import pytest

from orders.brokers.protocol import BrokerAdapter, VenueCancel, VenueGone, VenueOrder
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.types import OrderType, TimeInForce
from positions.domain.types import Side

SECONDS = 10
Levels = Sequence[tuple[str, str]]


class VenueDriver(Protocol):
    """Set up a venue for the contract: its market, and adapters that speak to it."""

    symbol: str

    def adapter(self) -> BrokerAdapter: ...

    def show(self, *, bids: Levels, asks: Levels) -> None: ...


class Line:
    """Hold one adapter on an event loop of its own, as a worker does, and keep what it reports."""

    def __init__(self, adapter: BrokerAdapter) -> None:
        self.adapter = adapter
        self.reports: list[VenueReport] = []
        self.threads: set[str] = set()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="line", daemon=True)
        self.thread.start()
        self.run(adapter.start(self._on_reports))

    def _on_reports(self, reports: Sequence[VenueReport]) -> None:
        self.threads.add(threading.current_thread().name)
        self.reports.extend(reports)

    def run(self, call: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(call, self.loop).result(SECONDS)

    def submit(self, *orders: VenueOrder) -> None:
        self.run(self.adapter.submit(orders))

    def cancel(self, *orders: VenueOrder) -> None:
        self.run(self.adapter.cancel([VenueCancel(order.order_id) for order in orders]))

    def of(self, order: VenueOrder) -> list[VenueReport]:
        return [report for report in list(self.reports) if report.order_id == order.order_id]

    def kinds(self, order: VenueOrder) -> list[str]:
        return [report.kind.value for report in self.of(order)]

    def filled(self, order: VenueOrder) -> Decimal:
        trades = {r.exec_id: r.quantity for r in self.of(order) if r.kind is ReportKind.TRADE}
        return sum((quantity for quantity in trades.values() if quantity is not None), Decimal(0))

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < deadline, [(r.kind.value, str(r.quantity), r.reason) for r in self.reports]
            time.sleep(0.002)

    def until_kinds(self, order: VenueOrder, *kinds: str) -> None:
        self.until(lambda: len(self.kinds(order)) >= len(kinds))
        assert self.kinds(order) == list(kinds)

    def close(self) -> None:
        self.run(self.adapter.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(SECONDS)
        self.loop.close()


@pytest.mark.django_db
class BrokerContract:
    """What holds at every venue; the venue's own class brings the fixture `driver`."""

    @pytest.fixture
    def line(self, driver: VenueDriver) -> Iterator[Line]:
        driver.show(bids=[("99.9", "100"), ("99.8", "200")], asks=[("100.1", "100"), ("100.2", "200")])
        line = Line(driver.adapter())
        yield line
        line.close()

    @pytest.fixture
    def order(self, driver: VenueDriver) -> Callable[..., VenueOrder]:
        def make(side: str, quantity: str, limit: str | None = None, tif: str = "day", **other: Any) -> VenueOrder:
            return VenueOrder(
                order_id=other.get("order_id") or uuid4(),
                symbol=other.get("symbol") or driver.symbol,
                side=Side(side),
                order_type=OrderType.LIMIT if limit else OrderType.MARKET,
                time_in_force=TimeInForce(tif),
                quantity=Decimal(quantity),
                limit_price=Decimal(limit) if limit else None,
            )

        return make

    def test_a_limit_order_away_from_the_market_is_acknowledged_and_rests(self, line, order):
        resting = order("buy", "10", "90")
        line.submit(resting)
        line.until_kinds(resting, "new")
        assert line.of(resting)[0].venue == line.adapter.name
        assert line.of(resting)[0].venue_order_id

    @pytest.mark.parametrize(("side", "limit"), [("buy", None), ("buy", "100.1"), ("sell", None), ("sell", "99.9")])
    def test_a_marketable_order_is_acknowledged_and_filled(self, line, order, side, limit):
        marketable = order(side, "100", limit)
        line.submit(marketable)
        line.until_kinds(marketable, "new", "trade")
        trade = line.of(marketable)[1]
        assert (trade.quantity, trade.price) == (100, Decimal("100.1" if side == "buy" else "99.9"))

    def test_an_order_larger_than_the_market_is_filled_in_parts_and_the_rest_can_be_canceled(self, line, order):
        large = order("buy", "500", "100.2", "gtc")
        line.submit(large)
        line.until_kinds(large, "new", "trade", "trade")
        line.cancel(large)
        line.until_kinds(large, "new", "trade", "trade", "canceled")
        assert line.filled(large) == 300

    def test_a_resting_order_fills_when_the_market_comes_to_it(self, line, order, driver):
        resting = order("sell", "50", "105", "gtc")
        line.submit(resting)
        line.until_kinds(resting, "new")
        driver.show(bids=[("105.5", "20"), ("105", "100")], asks=[("106", "10")])
        line.until(lambda: line.filled(resting) == 50)
        assert [(str(r.quantity), str(r.price)) for r in line.of(resting)[1:]] == [("20", "105.5"), ("30", "105")]

    def test_ioc_fills_what_it_can_and_the_rest_is_canceled(self, line, order):
        immediate = order("buy", "150", "100.1", "ioc")
        line.submit(immediate)
        line.until_kinds(immediate, "new", "trade", "canceled")
        assert line.filled(immediate) == 100

    def test_fok_fills_whole_or_not_at_all(self, line, order):
        too_large, fitting = order("buy", "301", "100.2", "fok"), order("buy", "300", "100.2", "fok")
        line.submit(too_large)
        line.until_kinds(too_large, "new", "canceled")
        line.submit(fitting)
        line.until(lambda: line.filled(fitting) == 300)

    def test_a_cancel_comes_too_late_for_a_filled_order(self, line, order):
        filled = order("buy", "10")
        line.submit(filled)
        line.until_kinds(filled, "new", "trade")
        line.cancel(filled)
        line.until_kinds(filled, "new", "trade", "cancel_rejected")

    def test_a_cancel_of_an_order_the_venue_does_not_know_is_rejected(self, line, order):
        unknown = order("buy", "10")
        line.cancel(unknown)
        line.until_kinds(unknown, "cancel_rejected")

    def test_a_cancel_sent_again_is_answered_again_and_changes_nothing(self, line, order):
        resting = order("buy", "10", "90")
        line.submit(resting)
        line.cancel(resting)
        line.cancel(resting)
        line.until_kinds(resting, "new", "canceled", "canceled")
        assert len({r.exec_id for r in line.of(resting)}) == 2

    def test_an_order_for_an_unknown_symbol_is_rejected_with_a_reason(self, line, order):
        strange = order("buy", "10", "90", symbol="NO-SUCH")
        line.submit(strange)
        line.until_kinds(strange, "rejected")
        assert line.of(strange)[0].reason

    def test_an_order_sent_again_is_answered_with_its_state_and_works_once(self, line, order):
        once = order("buy", "30")
        line.submit(once, once)
        line.until_kinds(once, "new", "trade")
        line.submit(once)
        line.until_kinds(once, "new", "trade", "new", "trade")
        assert line.filled(once) == 30

    def test_a_query_returns_every_report_so_far_and_says_what_was_never_heard_of(self, line, order):
        known, unknown = order("buy", "10"), order("buy", "10")
        line.submit(known)
        line.until_kinds(known, "new", "trade")
        answer = line.run(line.adapter.query([known.order_id, unknown.order_id]))
        said = [(report.order_id, report.kind.value, report.exec_id) for report in answer]
        assert said[:2] == [(known.order_id, r.kind.value, r.exec_id) for r in line.of(known)]
        assert said[2:] == [(unknown.order_id, "status_unknown_order", None)]

    def test_the_drop_copy_has_every_report_once_in_order_from_any_point(self, line, order):
        start = _everything(line, 0)[1]
        orders = [order("buy", "1") for _ in range(20)]
        line.submit(*orders)
        line.until(lambda: len(line.reports) == 40)
        copied, _ = _everything(line, start)
        assert [r.exec_id for r in copied] == [r.exec_id for r in line.reports]

    def test_reports_come_in_the_venues_order_from_a_thread_of_the_adapters_own(self, line, order):
        line.submit(*[order("buy", "1") for _ in range(50)])
        line.until(lambda: len(line.reports) == 100)
        assert line.threads
        assert line.threads.isdisjoint({"line", threading.main_thread().name})
        assert [r.executed_at for r in line.reports] == sorted(r.executed_at for r in line.reports)

    def test_orders_work_on_after_the_adapter_was_stopped_and_started(self, line, order, driver):
        resting, filled = order("buy", "10", "95", "gtc"), order("buy", "10")
        line.submit(resting, filled)
        line.until(lambda: len(line.reports) == 3)
        line.run(line.adapter.stop())
        again = Line(driver.adapter())
        try:
            driver.show(bids=[("94", "10")], asks=[("94.5", "100")])
            again.until_kinds(resting, "trade")
            again.submit(filled)
            again.until_kinds(filled, "new", "trade")
            assert [r.exec_id for r in again.of(filled)] == [r.exec_id for r in line.of(filled)]
        finally:
            again.close()

    def test_a_stopped_adapter_refuses_to_send(self, line, order):
        line.run(line.adapter.stop())
        with pytest.raises(VenueGone):
            line.submit(order("buy", "1"))


def _everything(line: Line, since_id: int) -> tuple[list[VenueReport], int]:
    found: list[VenueReport] = []
    while (page := line.run(line.adapter.drop_copy(since_id))).reports:
        found, since_id = found + list(page.reports), page.last_id
    return found, since_id
