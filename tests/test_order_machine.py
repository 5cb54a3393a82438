"""Orders through the real services and database, beside a model that is deliberately simple.

The model keeps a list of live fills and three facts of each order; it knows neither the table nor the code. Reports are
duplicated, reordered, late, busted, corrected and wrong. After every step both must agree on status, fills,
reservation, holding and cash; after every run the promises of the whole database must hold.
"""

import os
import random
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orders import services
from orders.domain.reports import ReportKind, VenueReport
from orders.selectors import orders_by_id
from orders.tests.desk import Desk, rows
from positions.domain.types import Side
from trading_portal.kernel import clock
from trading_portal.management.commands.check_invariants import invariants_check

EXAMPLES = int(os.environ.get("ORDER_MACHINE_EXAMPLES", "10"))
STEPS = int(os.environ.get("ORDER_MACHINE_STEPS", "50"))
CASH = Decimal(1_000_000)
ORDERS = 4
INDEX = st.integers(0, 11)
HOW = st.sampled_from(["now", "now", "twice", "later"])
KINDS = (
    ReportKind.NEW,
    ReportKind.CANCELED,
    ReportKind.EXPIRED,
    ReportKind.REJECTED,
    ReportKind.CANCEL_REJECTED,
)
PROMISES = ("I01", "I02", "I03", "I05", "I06", "I07", "I08", "I09", "I10", "I13", "I16")


@dataclass
class Model:
    """One order as a person would keep it on paper."""

    side: Side
    quantity: Decimal
    is_sent: bool = False
    is_known: bool = False
    cancel_waits: bool = False
    cancel_sent: bool = False
    end: str = ""
    in_doubt: bool = False
    fills: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    @property
    def filled(self) -> Decimal:
        return sum((quantity for quantity, _ in self.fills.values()), Decimal(0))

    @property
    def is_full(self) -> bool:
        return self.filled >= self.quantity

    @property
    def left(self) -> Decimal:
        return Decimal(0) if self.end or self.is_full else self.quantity - self.filled

    @property
    def status(self) -> str:
        if self.cancel_waits:
            return "pending_cancel"
        if self.end:
            return self.end
        if not self.is_sent:
            return "accepted"
        if self.is_full:
            return "filled"
        if self.fills:
            return "partially_filled"
        return "new" if self.is_known else "pending_new"

    def hear(self, report: VenueReport) -> str:
        """Take a report in: `recorded`, `repeat` or `parked`."""
        heard = getattr(self, f"hear_{report.kind.value}")(report)
        if heard == "recorded":
            self.in_doubt = False
            self.is_known = self.is_known or report.kind is not ReportKind.CANCEL_REJECTED
        return str(heard)

    def hear_new(self, report: VenueReport) -> str:
        is_news = not self.is_known or self.fills or self.end in ("canceled", "expired")
        return "recorded" if is_news and self.end != "rejected" else "parked"

    def hear_trade(self, report: VenueReport) -> str:
        if self.end == "rejected":
            return "parked"
        self.fills[report.exec_id] = (report.quantity, report.price)
        return "recorded"

    def hear_canceled(self, report: VenueReport) -> str:
        return self.finish(report.kind.value)

    def hear_expired(self, report: VenueReport) -> str:
        return self.finish(report.kind.value)

    def hear_rejected(self, report: VenueReport) -> str:
        return "parked" if self.fills else self.finish(report.kind.value)

    def hear_status_unknown_order(self, report: VenueReport) -> str:
        if not self.in_doubt:
            return "repeat"
        return self.finish("canceled" if self.fills else "rejected")

    def hear_cancel_rejected(self, report: VenueReport) -> str:
        if not self.cancel_waits and not self.end:
            return "parked"
        self.cancel_waits = False
        return "recorded"

    def hear_trade_cancel(self, report: VenueReport) -> str:
        if report.ref_exec_id in self.gone:
            return "repeat"
        if report.ref_exec_id not in self.fills:
            return "parked"
        del self.fills[report.ref_exec_id]
        self.gone |= {report.ref_exec_id, report.exec_id}
        return "recorded"

    def hear_trade_correct(self, report: VenueReport) -> str:
        heard = self.hear_trade_cancel(report)
        if heard == "recorded":
            self.gone.discard(report.exec_id)
            self.fills[report.exec_id] = (report.quantity, report.price)
        return heard

    def finish(self, how: str) -> str:
        if self.end or self.is_full:
            return "parked"
        self.end, self.cancel_waits = how, False
        return "recorded"


class OrderMachine(RuleBasedStateMachine):
    """Place, send, report, cancel, in every order that Hypothesis can think of."""

    @initialize()
    def open_desk(self) -> None:
        self.desk = Desk(cash=str(CASH))
        self.models: dict[UUID, Model] = {}
        self.heard: set[str] = set()
        self.waiting: list[VenueReport] = []
        self.told: list[VenueReport] = []
        self.parked = 0
        self.number = 0

    def pick(self, index: int) -> UUID:
        return list(self.models)[index % len(self.models)]

    def pick_sent(self, index: int) -> UUID:
        sent = [order_id for order_id, model in self.models.items() if model.is_sent]
        return sent[index % len(sent)]

    def holding(self) -> Decimal:
        return sum((m.filled * m.side.sign for m in self.models.values()), Decimal(0))

    @precondition(lambda self: len(self.models) < ORDERS)
    @rule(quantity=st.integers(1, 30), is_sale=st.booleans(), is_sent=st.booleans())
    def place(self, quantity: int, is_sale: bool, is_sent: bool) -> None:
        self.number += 1
        cent = Decimal(self.number) / 100
        command = self.desk.command(
            side=Side.SELL if is_sale else Side.BUY,
            quantity=quantity,
            limit_price=101 + cent if is_sale else 99 - cent,
        )
        selling = sum((m.left for m in self.models.values() if m.side is Side.SELL), Decimal(0))
        may_sell = self.holding() - selling >= quantity
        placement = self.desk.place_all([command])[0]
        assert placement.status == ("refused" if is_sale and not may_sell else "accepted"), placement.refusal
        if placement.status == "accepted":
            self.models[placement.order.id] = Model(command.side, command.quantity)
            again = self.desk.place_all([command])[0]
            assert (again.is_replay, again.order.id) == (True, placement.order.id)
        if is_sent:
            self.send()

    @rule()
    def send(self) -> None:
        expected = set()
        for order_id, model in self.models.items():
            if not model.is_sent and not model.end:
                expected.add((order_id, "submit"))
                model.is_sent = True
            elif model.cancel_waits and not model.cancel_sent:
                expected.add((order_id, "cancel"))
                model.cancel_sent = True
        assert {(m.order_id, m.kind.value) for m in self.desk.claim()} == expected

    @precondition(lambda self: self.models)
    @rule(index=INDEX)
    def cancel(self, index: int) -> None:
        order_id = self.pick(index)
        model, outcome = self.models[order_id], self.desk.cancel(order_id)
        if model.cancel_waits or model.end or model.is_full:
            assert outcome.status == "refused"
            code = "CANCEL_ALREADY_PENDING" if model.cancel_waits else "ORDER_NOT_CANCELABLE"
            assert outcome.refusal.code == code
        elif model.is_sent:
            assert outcome.status == "requested"
            model.cancel_waits, model.cancel_sent = True, False
        else:
            assert outcome.status == "canceled"
            model.end = "canceled"

    @precondition(lambda self: any(model.is_sent for model in self.models.values()))
    @rule(index=INDEX, quantity=st.integers(1, 12), cents=st.integers(-300, 300), how=HOW)
    def venue_trades(self, index: int, quantity: int, cents: int, how: str) -> None:
        order_id = self.pick_sent(index)
        self.tell(self.desk.trade(order_id, str(quantity), str(100 + Decimal(cents) / 100)), how)

    @precondition(lambda self: any(model.is_sent for model in self.models.values()))
    @rule(index=INDEX, kind=st.sampled_from(KINDS), how=HOW)
    def venue_says(self, index: int, kind: ReportKind, how: str) -> None:
        self.tell(self.desk.report(self.pick_sent(index), kind), how)

    @precondition(lambda self: any(model.is_sent for model in self.models.values()))
    @rule(index=INDEX, kind=st.sampled_from(KINDS), asks_first=st.booleans(), quantity=st.integers(1, 12))
    def an_answer_and_a_trade_cross(self, index: int, kind: ReportKind, asks_first: bool, quantity: int) -> None:
        if asks_first:
            self.cancel(index)
        order_id = self.pick(index)
        if self.models[order_id].is_sent:
            self.record([self.desk.report(order_id, kind), self.desk.trade(order_id, str(quantity))])

    @precondition(lambda self: any(model.fills for model in self.models.values()))
    @rule(index=INDEX, which=INDEX, is_bust=st.booleans(), how=HOW)
    def venue_thinks_again(self, index: int, which: int, is_bust: bool, how: str) -> None:
        """Bust or correct a fill: one that stands, one that is gone already, or one that never was."""
        with_fills = [order_id for order_id, model in self.models.items() if model.fills or model.gone]
        order_id = with_fills[index % len(with_fills)]
        known = [*sorted(self.models[order_id].fills), *sorted(self.models[order_id].gone), "never"]
        kind = ReportKind.TRADE_CANCEL if is_bust else ReportKind.TRADE_CORRECT
        new = {} if is_bust else {"quantity": which % 12 + 1, "price": 95}
        self.tell(self.desk.report(order_id, kind, ref_exec_id=known[which % len(known)], **new), how)

    def tell(self, report: VenueReport, how: str) -> None:
        """Have a report come now, twice in one batch, or later."""
        if how == "later":
            self.waiting.append(report)
        else:
            self.record([report, report] if how == "twice" else [report])

    @precondition(lambda self: self.waiting)
    @rule(order=st.randoms(use_true_random=False))
    def what_waited_comes_in_any_order(self, order: random.Random) -> None:
        order.shuffle(self.waiting)
        batch, self.waiting = self.waiting, []
        self.record(batch)

    @precondition(lambda self: self.told)
    @rule(index=INDEX)
    def an_old_report_comes_again(self, index: int) -> None:
        self.record([self.told[index % len(self.told)]])

    @precondition(lambda self: any(model.is_sent for model in self.models.values()))
    @rule(index=INDEX, is_asked=st.booleans())
    def the_venue_is_silent(self, index: int, is_asked: bool) -> None:
        """Time out: what was sent and never answered is in doubt; asked, the venue has never heard of it."""
        expected = {
            order_id
            for order_id, model in self.models.items()
            if model.is_sent and not model.in_doubt and not model.end
            and (not model.is_known or (model.cancel_waits and model.cancel_sent))
        }  # fmt: skip
        marked = services.orders_unknown_mark(
            venue=self.desk.venue, sent_before=clock.now(), fence=None, at=clock.now()
        )
        assert set(marked) == expected
        for order_id in expected:
            self.models[order_id].in_doubt = True
        if is_asked:
            self.record([self.desk.report(self.pick_sent(index), ReportKind.STATUS_UNKNOWN_ORDER, exec_id=None)])

    def record(self, reports: list[VenueReport]) -> None:
        said = {"recorded": 0, "repeat": 0, "parked": 0}
        for report in reports:
            is_new = report.exec_id is None or report.exec_id not in self.heard
            model = self.models[report.order_id]
            before, heard = model.status, model.hear(report) if is_new else "repeat"
            event(f"{report.kind.value} while {before}: {heard}")
            said[heard] += 1
            if report.exec_id is not None:
                self.heard.add(report.exec_id)
        self.told += [report for report in reports if report.exec_id is not None]
        outcome = self.desk.record(*reports)
        assert {"recorded": outcome.recorded, "repeat": outcome.repeats, "parked": outcome.parked} == said
        self.parked += said["parked"]

    @invariant()
    def both_agree(self) -> None:
        if not hasattr(self, "models"):
            return
        found = orders_by_id(self.models.keys())
        held = dict(
            rows("SELECT order_id, quantity_left FROM positions_reservation WHERE account_id = %s", self.desk.account)
        )
        for order_id, model in self.models.items():
            order = found[order_id]
            assert order.status == model.status
            assert order.is_unknown == model.in_doubt
            assert order.filled_quantity == model.filled
            assert order.filled_value == sum((q * p for q, p in model.fills.values()), Decimal(0))
            assert held.get(order_id, Decimal(0)) == model.left
        assert self.desk.held() == self.holding()
        spent = sum((q * p * m.side.sign for m in self.models.values() for q, p in m.fills.values()), Decimal(0))
        assert self.desk.cash() == CASH - spent
        assert len(self.desk.parked()) == self.parked

    def teardown(self) -> None:
        if getattr(self, "models", None):
            findings = invariants_check(PROMISES, self.desk.accounts)
            assert [(f.invariant.code, f.hits) for f in findings if f.hits] == []


OrderMachine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
TestOrders = OrderMachine.TestCase
