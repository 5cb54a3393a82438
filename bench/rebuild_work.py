"""What `bench.rebuild` asks, once there is a database that settings can name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from audit.domain.types import LogExtent
from audit.selectors import events_to_fold, log_extents
from orders import services
from orders.domain.commands import ReplaceFields, ReplaceOrder, StopLoss, TakeProfit
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.types import OrderClass
from orders.tests.desk import Desk
from positions.tests.helpers import BY
from trading_portal.kernel import clock
from trading_portal.kernel.collector import collect_rarely
from trading_portal.kernel.ids import uuid7
from trading_portal.rebuilding.folding import PAGE, accounts_rebuilt
from trading_portal.rebuilding.sharing import Share, shared_out, shares_of, snapshot, unwatched
from trading_portal.rebuilding.works import tables_compared


def live() -> None:
    """Have the orders of one account live as orders do: most are filled, some in parts, the rest end otherwise."""
    desk = Desk()
    for number in range(24):
        quantity, parts = number + 3, 1 + number % 3
        order_id = desk.working(quantity=quantity)
        for part in [1] * (parts - 1) + [quantity + 1 - parts]:
            desk.record(_trade(desk, order_id, str(part), f"{99 + number % 2}.{number:02}"))
    for number in range(6):
        order_id = desk.working(quantity=100 + number)
        desk.cancel(order_id)
        desk.claim()
        desk.record(_report(desk, order_id, ReportKind.CANCELED))
    for number in range(4):
        _replaced(desk, desk.working(quantity=200 + number))
    _thought_of_again(desk)
    profit, stop = TakeProfit(limit_price=Decimal(110)), StopLoss(stop_price=Decimal(90))
    command = desk.command(quantity="400", order_class=OrderClass.BRACKET, take_profit=profit, stop_loss=stop)
    entry = desk.place_all([command])[0].order
    assert entry is not None
    desk.claim()
    desk.record(_trade(desk, entry.id, "400", "100"))
    desk.place_all([desk.command(quantity="1e12")])


def _report(desk: Desk, order_id: UUID, kind: ReportKind, **facts: Any) -> VenueReport:
    # Written with dashes, an exec_id is found and renewed in every copy.
    return desk.report(order_id, kind, **{"exec_id": str(uuid7()), **facts})


def _trade(desk: Desk, order_id: UUID, quantity: str, price: str) -> VenueReport:
    return _report(desk, order_id, ReportKind.TRADE, quantity=quantity, price=price, fee="0.01")


def _replaced(desk: Desk, order_id: UUID) -> None:
    fields = ReplaceFields(limit_price=Decimal("99.5"))
    command = ReplaceOrder(
        order_id=order_id, account_id=desk.account, by=BY, correlation_id=uuid7(), requested_at=clock.now(),
        fields=fields,
    )  # fmt: skip
    desk.show()
    services.order_replace(command=command, at=clock.now())
    desk.claim()
    desk.record(_report(desk, order_id, ReportKind.REPLACED))


def _thought_of_again(desk: Desk) -> None:
    order_id = desk.working(quantity="300")
    wrong, gone = _trade(desk, order_id, "5", "97"), _trade(desk, order_id, "3", "96")
    desk.record(wrong, gone)
    desk.record(
        _report(desk, order_id, ReportKind.TRADE_CANCEL, ref_exec_id=gone.exec_id),
        _report(desk, order_id, ReportKind.TRADE_CORRECT, ref_exec_id=wrong.exec_id, quantity="4", price="95"),
    )


def questions(processes: int) -> dict[str, Callable[[], object]]:
    """Return what is asked of the log, by name; the first is the floor: the rows as a fold gets them, and no fold."""
    collect_rarely()
    return {
        "rows": lambda: _shared(share_read, 1),
        "rebuilt": lambda: _shared(share_rebuilt, 1),
        f"rows, {processes} processes": lambda: _shared(share_read, processes),
        f"rebuilt, {processes} processes": lambda: _shared(share_rebuilt, processes),
        f"compared, {processes} processes": lambda: _compared(processes),
    }


def _shared(work: Callable[[Share], int], processes: int) -> int:
    with snapshot():
        return sum(shared_out(shares_of(log_extents()), work, processes=processes, progress=unwatched))


def share_read(share: Sequence[LogExtent]) -> int:
    """Read a share's events and do nothing with them."""
    read, after = 0, LogExtent(share[0].account_id, 0)
    while page := events_to_fold(after, share[-1].account_id, PAGE):
        after = LogExtent(page[-1].account_id, page[-1].account_sequence)
        read += len(page)
    return read


def share_rebuilt(share: Sequence[LogExtent]) -> int:
    """Make every row of a share's accounts."""
    return sum(sum(1 for _ in account.rows()) for account in accounts_rebuilt(share))


def _compared(processes: int) -> int:
    found = list(tables_compared(processes=processes))
    if found:
        raise AssertionError(f"the copies are not sound: {found[:3]}")
    return 0
