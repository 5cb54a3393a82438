"""Orders through the real services and database, beside a model that is deliberately simple (tests/order_model.py).

Every type of order; cancels, replaces, the kill switch; reports duplicated, reordered, early, late, busted, corrected,
restated and wrong, silence, and a venue that never heard. After every step both must agree on status, fills, prices,
reservation, holding and cash, and the venue's drop copy with what we booked; after every run the promises of the whole
database must hold. `HYPOTHESIS_PROFILE=deep` runs thousands of steps. Groups have a machine of their own.
"""

import os
import random
from decimal import Decimal
from uuid import UUID

from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orders import services
from orders.domain.commands import ReplaceFields, ReplaceOrder
from orders.domain.reports import ReportKind, Restatement, VenueReport
from orders.domain.types import OrderType, TimeInForce
from orders.selectors import orders_by_id
from orders.tests.desk import Desk, rows
from positions.domain.types import Side
from positions.tests.helpers import BY
from risk.services import kill_switch_latch
from risk.tests.helpers import officer
from tests.order_model import PARKED, RECORDED, REPEAT, OnPaper
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7
from trading_portal.management.commands.check_invariants import invariants_check

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
IS_HUNT = os.environ.get("HYPOTHESIS_PROFILE") == "hunt"
EXAMPLES = int(os.environ.get("ORDER_MACHINE_EXAMPLES", "100" if DEEP else "25"))
STEPS = int(os.environ.get("ORDER_MACHINE_STEPS", "60" if DEEP else "45"))
CASH = Decimal(1_000_000)
ORDERS = 5
INDEX = st.integers(0, 11)
SHARES = st.sampled_from(["1", "3", "30", "half", "all", "over"])
HOW = st.sampled_from(["now", "now", "twice", "later"])
TYPES = st.sampled_from([*[OrderType.LIMIT] * 4, *OrderType])
TERMS = st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.DAY])
PATHS = st.sampled_from(["", "", "sent", "new", "new", "filled in part", "filled"])
Kind = tuple[OrderType, TimeInForce, str]
PLAIN = (
    ReportKind.NEW, ReportKind.CANCELED, ReportKind.EXPIRED, ReportKind.REJECTED, ReportKind.CANCEL_REJECTED,
    ReportKind.REPLACED, ReportKind.REPLACE_REJECTED, ReportKind.STOPPED, ReportKind.SUSPENDED,
    ReportKind.DONE_FOR_DAY, ReportKind.CALCULATED,
)  # fmt: skip
PAUSES = [(ReportKind.SUSPENDED, Restatement.RELEASE), (ReportKind.DONE_FOR_DAY, Restatement.RENEWAL)]
KINDS = st.sampled_from([*PLAIN, *Restatement])
PROMISES = ("I01", "I02", "I03", "I04", "I05", "I06", "I07", "I08", "I09", "I10", "I12", "I13", "I16")


def is_any_sent(machine: "OrderMachine") -> bool:
    return any(model.is_sent for model in machine.models.values())


class OrderMachine(RuleBasedStateMachine):
    """Place, send, replace, cancel and report, in every order that Hypothesis can think of."""

    @initialize(first=st.tuples(TYPES, TERMS, PATHS), second=st.tuples(TYPES, TERMS, PATHS))
    def open_desk(self, first: Kind, second: Kind) -> None:
        """Begin every run with two orders: rules that are never drawn in a run would leave it empty."""
        self.desk = Desk(cash=str(CASH))
        self.models: dict[UUID, OnPaper] = {}
        self.heard: set[str] = set()
        self.waiting: list[VenueReport] = []
        self.told: list[VenueReport] = []
        self.parked = self.number = 0
        self.is_killed = False
        for quantity, (kind, terms, path) in enumerate((first, second), 11):
            self.place_one(quantity, False, kind, terms, path)

    def pick(self, index: int) -> UUID:
        return list(self.models)[index % len(self.models)]

    def pick_sent(self, index: int) -> UUID:
        sent = [order_id for order_id, model in self.models.items() if model.is_sent]
        return sent[index % len(sent)]

    def holding(self) -> Decimal:
        return sum((m.traded * m.side.sign for m in self.models.values()), Decimal(0))

    def facts(self, kind: OrderType, side: Side) -> dict[str, object]:
        """Return prices at which none of our orders meets another, each of its own."""
        cent = Decimal(self.number) / 100
        stop = (95 - cent) if side is Side.SELL else 105 + cent
        limit = 101 + cent if side is Side.SELL else 99 - cent
        return {
            OrderType.LIMIT: {"limit_price": limit},
            OrderType.MARKET: {},
            OrderType.STOP: {"limit_price": None, "stop_price": stop},
            OrderType.STOP_LIMIT: {"limit_price": stop, "stop_price": stop},
            OrderType.TRAILING_STOP: {"limit_price": None, "trail_price": 5 + cent},
        }[kind]

    @precondition(lambda self: len(self.models) < ORDERS)
    @rule(quantity=st.integers(1, 30), is_sale=st.booleans(), kind=TYPES, terms=TERMS, path=PATHS)
    def place(self, quantity: int, is_sale: bool, kind: OrderType, terms: TimeInForce, path: str) -> None:
        self.place_one(quantity, is_sale, kind, terms, path)

    def place_one(self, quantity: int, is_sale: bool, kind: OrderType, terms: TimeInForce, path: str) -> None:
        self.number += 1
        side = Side.SELL if is_sale else Side.BUY
        kind = OrderType.LIMIT if is_sale else kind
        command = self.desk.command(
            side=side, quantity=quantity * 10 + self.number, order_type=kind, time_in_force=terms,
            **self.facts(kind, side),
        )  # fmt: skip
        selling = sum((m.held for m in self.models.values() if m.side is Side.SELL), Decimal(0))
        may_sell = self.holding() - selling >= command.quantity
        placement = self.desk.place_all([command])[0]
        refused = self.is_killed or (is_sale and not may_sell)
        assert placement.status == ("refused" if refused else "accepted"), placement.refusal
        if refused:
            return
        event(f"placed {kind.value}")
        model = OnPaper(side, command.quantity, terms is TimeInForce.GTC, kind is OrderType.LIMIT)
        order_id = placement.order.id
        self.models[order_id] = model
        again = self.desk.place_all([command])[0]
        assert (again.is_replay, again.order.id) == (True, order_id)
        self.go(order_id, path)

    def go(self, order_id: UUID, path: str) -> None:
        """Bring a new order on its way, as most orders go."""
        if not path:
            return
        self.send()
        if path != "sent":
            self.record([self.desk.report(order_id, ReportKind.NEW)])
        if path.startswith("filled"):
            quantity = "7" if path == "filled in part" else str(self.models[order_id].quantity)
            self.record([self.desk.trade(order_id, quantity)])

    @rule()
    def send(self) -> None:
        expected = set()
        for order_id, model in self.models.items():
            if not model.is_sent and not model.end:
                expected.add((order_id, "submit"))
                model.is_sent = True
            elif model.asked and not model.asked_sent:
                # Risk approved a replace in the old units, and the switch stops all but cancels.
                if model.asked == "replace" and (model.asked_stale or self.is_killed):
                    model.asked = ""
                else:
                    expected.add((order_id, model.asked))
                    model.asked_sent = True
        assert {(m.order_id, m.kind.value) for m in self.desk.claim()} == expected

    @precondition(lambda self: self.models)
    @rule(index=INDEX)
    def cancel(self, index: int) -> None:
        order_id = self.pick(index)
        outcome, expected = self.desk.cancel(order_id), self.models[order_id].cancel()
        if expected in ("canceled", "requested"):
            assert outcome.status == expected
        else:
            assert outcome.status == "refused"
            assert outcome.refusal.code == expected or expected == "REPLACE_PENDING"

    @precondition(lambda self: self.models and not self.is_killed)
    @rule(index=INDEX, change=st.sampled_from([-90, -7, 5, 120]))
    def replace(self, index: int, change: int) -> None:
        """Ask for more or less of an order; a sale only for less, which is always covered."""
        self.replace_one(self.pick(index), change)

    def replace_one(self, order_id: UUID, change: int) -> None:
        model = self.models[order_id]
        quantity = Decimal(int(model.quantity) + (-abs(change) if model.side is Side.SELL else change))
        if quantity <= model.filled or model.splits or not model.is_limit:
            return
        command = ReplaceOrder(
            order_id=order_id, account_id=self.desk.account, fields=ReplaceFields(quantity=quantity), by=BY,
            correlation_id=uuid7(), requested_at=clock.now(),
        )  # fmt: skip
        self.desk.show()
        outcome = services.order_replace(command=command, at=clock.now())
        assert outcome.status == ("requested" if model.may_replace(quantity) else "not_now"), outcome.refusal
        if outcome.status == "requested":
            event(f"replace while {model.base}")
            model.ask("replace", quantity)

    @precondition(lambda self: is_any_sent(self))
    @rule(
        index=INDEX,
        share=SHARES,
        cents=st.integers(-300, 300),
        how=HOW,
    )
    def venue_trades(self, index: int, share: str, cents: int, how: str) -> None:
        order_id = self.pick_sent(index)
        self.tell(self.trade(order_id, share, 100 + Decimal(cents) / 100), how)

    def trade(self, order_id: UUID, share: str, price: Decimal) -> VenueReport:
        left = self.models[order_id].left or Decimal(2)
        quantity = {"half": left / 2, "all": left, "over": left + 3}.get(share) or Decimal(share)
        return self.desk.trade(order_id, str(quantity.normalize()), str(price))

    def said(self, order_id: UUID, kind: ReportKind | Restatement) -> VenueReport:
        """Return a report that has the facts such a report has."""
        model = self.models[order_id]
        if isinstance(kind, Restatement):
            # Away from the market, so that an order split never meets another of ours.
            ratio = Decimal(2) if model.side is Side.BUY else Decimal("0.5")
            return self.desk.report(order_id, ReportKind.RESTATED, restatement=kind, ratio=ratio)
        if kind is ReportKind.REPLACED:
            return self.desk.report(order_id, kind, quantity=str(model.asked_quantity or 5))
        return self.desk.report(order_id, kind)

    @precondition(lambda self: is_any_sent(self))
    @rule(index=INDEX, kind=KINDS, how=HOW)
    def venue_says(self, index: int, kind: ReportKind | Restatement, how: str) -> None:
        order_id = self.pick_sent(index)
        if kind is Restatement.SPLIT and self.models[order_id].splits > 5:
            return
        self.tell(self.said(order_id, kind), "now" if kind is Restatement.SPLIT else how)

    @precondition(lambda self: is_any_sent(self))
    @rule(index=INDEX, pause=st.sampled_from(PAUSES), is_over=st.booleans())
    def venue_pauses(self, index: int, pause: tuple[ReportKind, Restatement], is_over: bool) -> None:
        """Halt an order, or end its day; perhaps let it go on."""
        order_id = self.pick_sent(index)
        self.record([self.said(order_id, each) for each in pause[: 1 + is_over]])

    @precondition(lambda self: any(model.asked for model in self.models.values()))
    @rule(index=INDEX, is_willing=st.booleans())
    def venue_answers(self, index: int, is_willing: bool) -> None:
        """Answer what an order waits for."""
        asked = [order_id for order_id, model in self.models.items() if model.asked]
        order_id = asked[index % len(asked)]
        answers = {
            "cancel": (ReportKind.CANCELED, ReportKind.CANCEL_REJECTED),
            "replace": (ReportKind.REPLACED, ReportKind.REPLACE_REJECTED),
        }[self.models[order_id].asked]
        self.record([self.said(order_id, answers[not is_willing])])

    @precondition(lambda self: is_any_sent(self))
    @rule(index=INDEX, kind=st.sampled_from(PLAIN), asks_first=st.booleans(), quantity=st.integers(1, 12))
    def an_answer_and_a_trade_cross(self, index: int, kind: ReportKind, asks_first: bool, quantity: int) -> None:
        if asks_first:
            self.cancel(index)
        order_id = self.pick(index)
        if self.models[order_id].is_sent:
            self.record([self.said(order_id, kind), self.desk.trade(order_id, str(quantity))])

    @precondition(lambda self: is_any_sent(self) and not self.is_killed)
    @rule(index=INDEX, change=st.sampled_from([-90, -7]), share=SHARES)
    def a_change_and_a_trade_cross(self, index: int, change: int, share: str) -> None:
        """Ask for less while the venue trades, and hear of the trade first."""
        order_id = self.pick_sent(index)
        self.replace_one(order_id, change)
        if self.models[order_id].asked == "replace":
            self.send()
            trade = self.trade(order_id, share, Decimal(98))
            self.record([trade, self.said(order_id, ReportKind.REPLACED)])

    @precondition(lambda self: any(model.fills or model.gone for model in self.models.values()))
    @rule(index=INDEX, which=INDEX, is_bust=st.booleans(), how=HOW)
    def venue_thinks_again(self, index: int, which: int, is_bust: bool, how: str) -> None:
        """Bust or correct a fill: one that stands, one that is gone already, or one that never was."""
        with_fills = [order_id for order_id, model in self.models.items() if model.fills or model.gone]
        order_id = with_fills[index % len(with_fills)]
        known = [*sorted(self.models[order_id].fills), *sorted(self.models[order_id].gone), "never"]
        self.tell(self.second_thought(order_id, known[which % len(known)], is_bust, which), how)

    def second_thought(self, order_id: UUID, exec_id: str, is_bust: bool, quantity: int) -> VenueReport:
        kind = ReportKind.TRADE_CANCEL if is_bust else ReportKind.TRADE_CORRECT
        new = {} if is_bust else {"quantity": str(quantity % 12 + 1), "price": "95"}
        return self.desk.report(order_id, kind, ref_exec_id=exec_id, **new)

    @precondition(lambda self: is_any_sent(self))
    @rule(index=INDEX, is_bust=st.booleans(), how=HOW)
    def second_thoughts_come_first(self, index: int, is_bust: bool, how: str) -> None:
        """Bust or correct a fill before it is heard of."""
        order_id = self.pick_sent(index)
        trade = self.trade(order_id, "3", Decimal(98))
        self.tell(self.second_thought(order_id, str(trade.exec_id), is_bust, index), "now")
        self.tell(trade, how)

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

    @precondition(lambda self: is_any_sent(self))
    @rule(index=INDEX, is_asked=st.booleans())
    def the_venue_is_silent(self, index: int, is_asked: bool) -> None:
        """Time out: what was sent and never answered is in doubt; asked, the venue has never heard of it."""
        expected = {order_id for order_id, model in self.models.items() if model.is_overdue}
        marked = services.orders_unknown_mark(
            venue=self.desk.venue, sent_before=clock.now(), fence=None, at=clock.now()
        )
        assert set(marked) == expected
        for order_id in expected:
            self.models[order_id].in_doubt = True
        if is_asked:
            self.record([self.desk.report(self.pick_sent(index), ReportKind.STATUS_UNKNOWN_ORDER, exec_id=None)])

    @precondition(lambda self: self.models and not self.is_killed)
    @rule(is_meant=st.sampled_from([False, False, False, True]))
    def the_switch_is_thrown(self, is_meant: bool) -> None:
        """Stop the account: what can be cancelled is, and nothing new is accepted or sent."""
        if not is_meant:
            return
        self.is_killed = True
        latch = kill_switch_latch(
            account_id=self.desk.account, instrument_id=None, venue="", reason="test", by=officer(), at=clock.now()
        )
        done = [model.cancel() for model in self.models.values()]
        cancelled = services.orders_cancel_killed(kill_switch_id=latch.kill_switch_id, at=clock.now())
        assert cancelled == sum(each in ("canceled", "requested") for each in done)

    def record(self, reports: list[VenueReport]) -> None:
        said = {RECORDED: 0, REPEAT: 0, PARKED: 0}
        for report in reports:
            is_new = report.exec_id is None or report.exec_id not in self.heard
            model = self.models[report.order_id]
            before, heard = model.status, model.hear(report) if is_new else [REPEAT]
            event(f"{report.kind.value} while {before}: {heard[0]}")
            for each in heard:
                said[each] += 1
            if report.exec_id is not None:
                self.heard.add(report.exec_id)
        self.told += [report for report in reports if report.exec_id is not None]
        outcome = self.desk.record(*reports)
        assert {RECORDED: outcome.recorded, REPEAT: outcome.repeats, PARKED: outcome.parked} == said
        self.parked += said[PARKED]

    @invariant()
    def both_agree(self) -> None:
        if not getattr(self, "models", None):
            return
        found = orders_by_id(self.models.keys())
        held = dict(
            rows("SELECT order_id, quantity_left FROM positions_reservation WHERE account_id = %s", self.desk.account)
        )
        for order_id, model in self.models.items():
            order = found[order_id]
            assert order.status == model.status
            assert (order.base, order.is_unknown) == (model.base, model.in_doubt)
            assert (order.quantity, order.leaves_quantity) == (model.quantity, model.left)
            assert (order.filled_quantity, order.filled_value) == (model.filled, model.value)
            assert held.get(order_id, Decimal(0)) == model.held
        assert self.desk.held() == self.holding()
        spent = sum((m.value * m.side.sign for m in self.models.values()), Decimal(0))
        assert self.desk.cash() == CASH - spent
        assert len(self.desk.parked()) == self.parked
        self.drop_copy_agrees()

    def drop_copy_agrees(self) -> None:
        """Hold our live fills against those the venue would list (I19)."""
        booked = rows(
            "SELECT exec_id, quantity, price FROM orders_execution WHERE venue = %s AND is_live "
            "AND kind <> 'trade_cancel'",
            self.desk.venue,
        )
        listed = [(key, *fill[:2]) for model in self.models.values() for key, fill in model.fills.items()]
        assert sorted(booked) == sorted(listed)

    def teardown(self) -> None:
        if getattr(self, "models", None):
            findings = invariants_check(PROMISES, self.desk.accounts)
            assert [(f.invariant.code, f.invariant.sentence, f.hits) for f in findings if f.hits] == []


OrderMachine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    # A mutant is caught by any example: making it small would only take time.
    phases=(Phase.explicit, Phase.reuse, Phase.generate) if IS_HUNT else tuple(Phase),
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
TestOrders = OrderMachine.TestCase
