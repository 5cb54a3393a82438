"""Every report a venue may send, in every state an order can be brought to, through the service.

What the hand-written matrix lists is done and told in one event; all else is parked raw, with an anomaly event.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from orders import services
from orders.domain.commands import ReplaceFields, ReplaceOrder
from orders.domain.order import EventKind
from orders.domain.reports import ReportKind, Restatement, VenueReport
from orders.domain.types import TimeInForce
from orders.models import VenueIntent
from orders.selectors import orders_by_id
from orders.tests.desk import Desk, rows
from orders.tests.test_lifecycle_matrix import CODES, OVERLAYS, QUANTITY, ROWS
from positions.tests.helpers import BY
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

K = ReportKind
SPELLED = {
    "acknowledged": K.NEW, "rejected": K.REJECTED, "stopped": K.STOPPED, "suspended": K.SUSPENDED,
    "done_for_day": K.DONE_FOR_DAY, "calculated": K.CALCULATED, "expired": K.EXPIRED, "canceled": K.CANCELED,
    "cancel_rejected": K.CANCEL_REJECTED, "replace_rejected": K.REPLACE_REJECTED,
}  # fmt: skip
RESTATED = {"released": Restatement.RELEASE, "renewed": Restatement.RENEWAL, "split": Restatement.SPLIT}
TRADES = {"traded part": "3", "traded rest": "", "traded over": ""}
TOLD = [*SPELLED, *RESTATED, *TRADES, "busted", "corrected", "replaced", "never_heard"]
# How an order comes to a base, by what its venue reports, its first fill being 4 where it has one.
BASES = {
    ("accepted", 0): None, ("pending_new", 0): [], ("new", 0): ["ack"], ("partially_filled", 4): ["ack", "4"],
    ("stopped", 0): ["ack", K.STOPPED], ("stopped", 4): ["ack", "4", K.STOPPED],
    ("suspended", 0): ["ack", K.SUSPENDED], ("suspended", 4): ["ack", "4", K.SUSPENDED],
    ("suspended", 10): ["ack", "4", K.SUSPENDED, "6"], ("done_for_day", 4): ["ack", "4", K.DONE_FOR_DAY],
    ("done_for_day", 0): ["ack", K.DONE_FOR_DAY], ("calculated", 10): ["10", K.CALCULATED],
    ("filled", 10): ["10"], ("filled", 12): ["12"], ("canceled", 0): ["ack", K.CANCELED],
    ("canceled", 4): ["4", K.CANCELED], ("expired", 4): ["4", K.EXPIRED], ("rejected", 0): [K.REJECTED],
}  # fmt: skip
ASKED_FIRST = ("suspended", "done_for_day", "filled", "calculated")


def reachable(row: dict[str, str]) -> bool:
    """Tell whether services bring an order there; a fill alone would make another base of the rest."""
    if row["unknown"] == "yes" or (row["base"], int(row["cum"])) not in BASES:
        return False
    if row["overlay"] == "none":
        return True
    open_bases = ("new", "partially_filled", "stopped", *ASKED_FIRST)
    return row["base"] in (open_bases if row["overlay"] == "replace" else ("pending_new", *open_bases))


class Orders:
    """Bring one order for each pair of a line and a report to where the line begins."""

    def __init__(self) -> None:
        self.desk = Desk(accounts=12)
        self.wanted = [(row, heading) for row in filter(reachable, ROWS) for heading in TOLD]
        commands = [
            self.desk.command(
                account_id=self.desk.accounts[number % 12],
                quantity=QUANTITY,
                limit_price=100 - Decimal(number // 12) / 100,
                time_in_force=TimeInForce(row["tif"]),
            )
            for number, (row, _) in enumerate(self.wanted)
        ]
        placed = self.desk.place_all(commands)
        assert {each.status for each in placed} == {"accepted"}, [each for each in placed if each.refusal][:1]
        self.ids = [each.order.id for each in placed]
        self.fills: dict[UUID, VenueReport] = {}
        self.bring()

    def bring(self) -> None:
        pairs = list(zip(self.ids, (row for row, _ in self.wanted), strict=True))
        unsent = [order_id for order_id, row in pairs if row["base"] == "accepted"]
        self.claim_all_but(unsent)
        late = [(order_id, row) for order_id, row in pairs if row["overlay"] != "none"]
        early = [(order_id, row) for order_id, row in pairs if row["overlay"] == "none"]
        reports = [each for order_id, row in early for each in self.path(order_id, row)]
        # What is asked of an order that could not be asked any more is asked before.
        for order_id, row in late:
            path = self.path(order_id, row)
            at = len(path) if row["base"] not in ASKED_FIRST else min(1, len(path))
            reports += path[:at]
        assert self.desk.record(*reports).parked == 0
        self.ask(late)
        again = []
        for order_id, row in late:
            if row["base"] in ASKED_FIRST:
                again += self.rest[order_id][1:]
        assert self.desk.record(*again).parked == 0

    def claim_all_but(self, unsent: list[UUID]) -> None:
        VenueIntent.objects.filter(order_id__in=unsent).update(due_at=clock.now() + timedelta(days=1))
        self.desk.claim(limit=10_000)

    rest: dict[UUID, list[VenueReport]] = {}

    def path(self, order_id: UUID, row: dict[str, str]) -> list[VenueReport]:
        if order_id not in self.rest:
            path = BASES[row["base"], int(row["cum"])] or []
            # Of an order that is asked for something the venue has heard, also where a fill would be enough.
            if row["overlay"] != "none" and row["base"] in ASKED_FIRST and "ack" not in path:
                path = ["ack", *path]
            self.rest[order_id] = [self.step(order_id, each) for each in path]
        return self.rest[order_id]

    def step(self, order_id: UUID, step: object) -> VenueReport:
        if isinstance(step, ReportKind):
            return self.desk.report(order_id, step)
        if step == "ack":
            return self.desk.report(order_id, K.NEW)
        trade = self.desk.trade(order_id, str(step))
        self.fills.setdefault(order_id, trade)
        return trade

    def ask(self, late: list[tuple[UUID, dict[str, str]]]) -> None:
        at = clock.now()
        replaces = [each for each, row in late if row["overlay"] == "replace"]
        asked = services.orders_replace(
            commands=[
                ReplaceOrder(
                    order_id=each, account_id=None, fields=ReplaceFields(quantity=Decimal(12)), by=BY,
                    correlation_id=uuid7(), requested_at=at,
                )
                for each in replaces
            ],
            at=at,
        )  # fmt: skip
        assert {each.status for each in asked} == {"requested"}, asked[0]
        for each, row in late:
            if row["overlay"] == "cancel":
                self.desk.cancel(each, self.desk.accounts[self.ids.index(each) % 12])

    def telling(self, order_id: UUID, row: dict[str, str], heading: str) -> VenueReport:
        cum = Decimal(row["cum"])
        rest = max(QUANTITY - cum, Decimal(1))
        if heading in SPELLED:
            return self.desk.report(order_id, SPELLED[heading])
        if heading in RESTATED:
            return self.desk.report(order_id, K.RESTATED, restatement=RESTATED[heading], ratio=Decimal(2))
        if heading in TRADES:
            return self.desk.trade(order_id, {"part": "3", "rest": str(rest), "over": str(rest + 5)}[heading[7:]], "90")
        if heading == "replaced":
            return self.desk.report(order_id, K.REPLACED, quantity="12")
        if heading == "never_heard":
            return self.desk.report(order_id, K.STATUS_UNKNOWN_ORDER, exec_id=None)
        ref = self.fills[order_id].exec_id if order_id in self.fills else "never"
        if heading == "busted":
            return self.desk.report(order_id, K.TRADE_CANCEL, ref_exec_id=ref)
        return self.desk.report(order_id, K.TRADE_CORRECT, ref_exec_id=ref, quantity="2", price="110")


def test_in_every_state_every_report_does_what_the_matrix_says_or_is_parked_and_recorded():
    orders = Orders()
    begun = orders_by_id(orders.ids)
    for order_id, (row, _) in zip(orders.ids, orders.wanted, strict=True):
        order = begun[order_id]
        assert (order.base, order.pending, order.filled_quantity) == (row["base"], row["overlay"], int(row["cum"])), row
    told = [orders.telling(each, *wanted) for each, wanted in zip(orders.ids, orders.wanted, strict=True)]
    orders.desk.record(*told)
    ended, parked = orders_by_id(orders.ids), parked_orders(orders)
    wrong = []
    for order_id, (row, heading) in zip(orders.ids, orders.wanted, strict=True):
        found = (ended[order_id].base.value, ended[order_id].pending.value, order_id in parked)
        if found != expected(row, heading):
            wrong.append((row["base"], row["overlay"], row["cum"], row["tif"], heading, found))
    assert wrong == []
    anomalies = {
        UUID(row[0].removeprefix("order:"))
        for row in rows(
            "SELECT stream FROM audit_event WHERE type = 'order.anomaly' "
            "AND payload ->> 'parked_report_id' IS NOT NULL AND stream = ANY(%s)",
            [f"order:{each}" for each in orders.ids],
        )
    }
    assert anomalies == parked.keys()
    assert {kind.value for kind in EventKind} >= {heading.partition(" ")[0] for heading in TOLD}


def parked_orders(orders: Orders) -> dict[UUID, str]:
    return dict(rows("SELECT order_id, code FROM orders_parkedreport WHERE venue = %s", orders.desk.venue))


def expected(row: dict[str, str], heading: str) -> tuple[str, str, bool]:
    """Return base, overlay and whether the report is parked; a bust takes the first fill only."""
    said = row[heading]
    if heading == "never_heard":
        # Nothing is in doubt: the venue's not knowing is a status, row 42.
        return row["base"], row["overlay"], False
    if said == ".":
        return row["base"], row["overlay"], True
    base, _, overlay = said.rstrip("?").partition("+")
    first = {"filled": {10: 10, 12: 12}, "calculated": {10: 10}}.get(row["base"], {}).get(int(row["cum"]), 4)
    if heading in ("busted", "corrected") and int(row["cum"]) != first and base == "n":
        base = "pf"
    return CODES[base].value, OVERLAYS[overlay].value, False
