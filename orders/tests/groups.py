"""Groups for tests: a bracket around 100, its exits at work, and what became of its orders."""

from decimal import Decimal
from uuid import UUID

from orders import services
from orders.domain.commands import StopLoss, TakeProfit
from orders.domain.reports import ReportKind
from orders.domain.types import OrderClass
from orders.tests.desk import Desk, rows
from orders.tests.replacing import command
from positions.domain.types import Side
from trading_portal.kernel import clock


def group(desk: Desk, order_class: OrderClass = OrderClass.BRACKET, **changes) -> tuple[UUID, ...]:
    """Place a group around 100, profit at 110 and stop at 90; return its orders' ids, the root first."""
    given = {
        "order_class": order_class,
        "quantity": "10",
        "take_profit": TakeProfit(limit_price=Decimal(110)),
        "stop_loss": StopLoss(stop_price=Decimal(90)),
    }
    placement = desk.place_all([desk.command(**given | changes)])[0]
    assert placement.status == "accepted", placement
    return placement.order.id, *(leg.id for leg in placement.legs)


def working(desk: Desk, **changes) -> tuple[UUID, UUID, UUID]:
    """Return a bracket whose entry is filled and whose exits the venue has."""
    entry, profit, stop = group(desk, **changes)
    desk.claim()
    desk.record(desk.trade(entry, str(desk.order(entry).quantity)))
    assert {message.order_id for message in desk.claim()} == {profit, stop}
    desk.record(desk.report(profit, ReportKind.NEW), desk.report(stop, ReportKind.NEW))
    return entry, profit, stop


def replaced(desk: Desk, order_id: UUID, **fields):
    return services.order_replace(command=command(desk, order_id, **fields), at=clock.now())


def statuses(desk: Desk, ids) -> list[str]:
    return [desk.status(order_id) for order_id in ids]


def reserved(desk: Desk, ids) -> list[Decimal | None]:
    return [desk.reserved(order_id) for order_id in ids]


def anomalies(order_id: UUID) -> list[str]:
    found = rows(
        "SELECT payload #>> '{reason,code}' FROM audit_event WHERE stream = %s AND type = 'order.anomaly' "
        "ORDER BY sequence",
        f"order:{order_id}",
    )
    return [row[0] for row in found]


def why(desk: Desk, order_id: UUID) -> list[str]:
    return [reason["code"] for reason in desk.order(order_id).reasons]


def oco(desk: Desk) -> tuple[UUID, ...]:
    desk.record(desk.trade(desk.working(quantity="10"), "10"))
    return group(desk, OrderClass.OCO, side=Side.SELL, limit_price=None)
