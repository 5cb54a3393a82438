"""Brackets, OCO and OTO orders through the real services, against a venue that answers in its own time and order.

The venue here is a model that knows nothing of groups: it works what it was sent, fills as it likes, takes fills back,
refuses, and crosses messages on the wire. Whatever it did, once all is quiet the exits must suit the position.
"""

import os
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orders import services
from orders.domain.commands import StopLoss, TakeProfit
from orders.domain.facts import VenueMessage
from orders.domain.reports import ReportKind
from orders.domain.types import IntentKind, OrderClass
from orders.selectors import orders_by_id
from orders.tests.desk import Desk, rows
from positions.domain.types import Side
from trading_portal.kernel import clock
from trading_portal.management.commands.check_invariants import invariants_check

EXAMPLES = int(os.environ.get("GROUP_MACHINE_EXAMPLES", "4"))
STEPS = int(os.environ.get("GROUP_MACHINE_STEPS", "30"))
GROUPS = 3
QUANTITY = Decimal(10)
INDEX = st.integers(0, 11)
HOW_FAR = st.sampled_from(["placed", "partly", "filled", "works", "works"])
CLASSES = st.sampled_from([OrderClass.BRACKET, OrderClass.BRACKET, OrderClass.OCO, OrderClass.OTO])
WORKING = ("accepted", "pending_new", "new", "partially_filled", "pending_cancel", "pending_replace")
PROMISES = ("I01", "I02", "I03", "I05", "I06", "I07", "I08", "I09", "I10", "I12", "I13", "I16")


@dataclass
class AtVenue:
    """An order as the venue keeps it."""

    quantity: Decimal
    is_open: bool = True
    fills: dict[str, Decimal] = field(default_factory=dict)

    @property
    def filled(self) -> Decimal:
        return sum(self.fills.values(), Decimal(0))

    @property
    def left(self) -> Decimal:
        return max(self.quantity - self.filled, Decimal(0)) if self.is_open else Decimal(0)


class GroupMachine(RuleBasedStateMachine):
    """Place groups; let messages, fills, busts, refusals and cancels come in every order."""

    @initialize(order_class=CLASSES, how_far=HOW_FAR)
    def open_desk(self, order_class: OrderClass, how_far: str) -> None:
        self.desk = Desk(cash="1000000000")
        self.groups: dict[UUID, list[UUID]] = {}
        self.venue: dict[UUID, AtVenue] = {}
        self.inbox: list[VenueMessage] = []
        self.has_busted = self.has_refused = False
        bought = self.desk.working(quantity="1000")
        self.desk.record(self.desk.trade(bought, "1000"))
        self.start = self.desk.held()
        self.place_group(order_class, how_far)

    @precondition(lambda self: len(self.groups) < GROUPS)
    @rule(order_class=CLASSES, how_far=HOW_FAR)
    def place(self, order_class: OrderClass, how_far: str) -> None:
        self.place_group(order_class, how_far)

    def place_group(self, order_class: OrderClass, how_far: str) -> None:
        """Place a group; have its entry filled; have the venue work its exits."""
        cents = Decimal(len(self.groups)) / 100
        placement = self.desk.place_all(
            [
                self.desk.command(
                    order_class=order_class,
                    side=Side.SELL if order_class is OrderClass.OCO else Side.BUY,
                    quantity=QUANTITY,
                    limit_price=None if order_class is OrderClass.OCO else 100 + cents,
                    take_profit=None if order_class is OrderClass.OTO else TakeProfit(limit_price=110 + cents),
                    stop_loss=StopLoss(stop_price=90 + cents),
                )
            ]
        )[0]
        assert placement.status == "accepted", placement.refusal
        self.groups[placement.order.id] = [leg.id for leg in placement.legs]
        self.send()
        if how_far == "placed":
            return
        self.answer_all()
        if how_far == "partly":
            self.fill(placement.order.id, "3")
        elif order_class is not OrderClass.OCO:
            self.fill(placement.order.id, "all")
            self.send()
        if how_far == "works":
            self.answer_all()

    def answer_all(self) -> None:
        while self.inbox:
            self.venue_answers(0, True)

    @rule()
    def the_venue_catches_up(self) -> None:
        self.send()
        self.answer_all()

    @rule()
    def send(self) -> None:
        self.inbox += self.desk.claim()

    @precondition(lambda self: self.inbox)
    @rule(index=INDEX, is_willing=st.sampled_from([True, True, True, False]))
    def venue_answers(self, index: int, is_willing: bool) -> None:
        """Answer one message, the oldest of its order."""
        chosen = self.inbox[index % len(self.inbox)].order_id
        message = next(each for each in self.inbox if each.order_id == chosen)
        self.inbox.remove(message)
        if message.kind is IntentKind.SUBMIT:
            self.answer_submit(message, is_willing)
        else:
            self.answer_request(message, is_willing)

    def answer_submit(self, message: VenueMessage, is_willing: bool) -> None:
        if not is_willing and message.order_id not in self.groups:
            self.has_refused = True
            self.venue[message.order_id] = AtVenue(message.quantity, is_open=False)
            self.say(message.order_id, ReportKind.REJECTED)
        else:
            self.venue[message.order_id] = AtVenue(message.quantity)
            self.say(message.order_id, ReportKind.NEW)

    def answer_request(self, message: VenueMessage, is_willing: bool) -> None:
        order, is_cancel = self.venue[message.order_id], message.kind is IntentKind.CANCEL
        if not is_willing or not order.left:
            refusal = ReportKind.CANCEL_REJECTED if is_cancel else ReportKind.REPLACE_REJECTED
            facts = {} if is_cancel else {"request_id": message.terms.version_id}
            self.say(message.order_id, refusal, **facts)
        elif is_cancel:
            order.is_open = False
            self.say(message.order_id, ReportKind.CANCELED)
        else:
            order.quantity = max(message.terms.quantity, order.filled)
            facts = {"quantity": str(order.quantity), "request_id": message.terms.version_id}
            self.say(message.order_id, ReportKind.REPLACED, **facts)

    @precondition(lambda self: any(order.left for order in self.venue.values()))
    @rule(index=INDEX, share=st.sampled_from(["1", "3", "all", "all"]))
    def venue_fills(self, index: int, share: str) -> None:
        found = [key for key, order in self.venue.items() if order.left]
        self.fill(found[index % len(found)], share)

    def fill(self, order_id: UUID, share: str) -> None:
        order = self.venue[order_id]
        quantity = order.left if share == "all" else min(Decimal(share), order.left)
        event(f"{self.desk.order(order_id).leg.value or 'root'} fills {share}")
        report = self.desk.trade(order_id, str(quantity))
        order.fills[report.exec_id] = quantity
        self.desk.record(report)

    @precondition(lambda self: any(order.left for order in self.venue.values()))
    @rule(index=INDEX)
    def both_exits_fill_at_once(self, index: int) -> None:
        """Let every order of a group that the venue works trade in one batch."""
        root = list(self.groups)[index % len(self.groups)]
        reports = []
        for order_id in (root, *self.groups[root]):
            order = self.venue.get(order_id)
            if order and order.left:
                report = self.desk.trade(order_id, str(order.left))
                order.fills[report.exec_id] = order.left
                reports.append(report)
        self.desk.record(*reports)

    @precondition(lambda self: any(order.fills for order in self.venue.values()))
    @rule(index=INDEX, which=INDEX)
    def venue_busts(self, index: int, which: int) -> None:
        found = [key for key, order in self.venue.items() if order.fills]
        order_id = found[index % len(found)]
        fills = self.venue[order_id].fills
        exec_id = list(fills)[which % len(fills)]
        self.has_busted = True
        del fills[exec_id]
        self.say(order_id, ReportKind.TRADE_CANCEL, ref_exec_id=exec_id)

    @precondition(lambda self: self.venue)
    @rule(index=INDEX)
    def a_fill_crosses_the_cancel(self, index: int) -> None:
        found = [key for key, order in self.venue.items() if not order.is_open and order.quantity > order.filled]
        if found and self.desk.status(found[index % len(found)]) == "canceled":
            order_id = found[index % len(found)]
            report = self.desk.trade(order_id, "1")
            self.venue[order_id].fills[report.exec_id] = Decimal(1)
            self.desk.record(report)

    @precondition(lambda self: self.groups)
    @rule(index=INDEX, which=st.integers(0, 2))
    def a_person_cancels(self, index: int, which: int) -> None:
        root = list(self.groups)[index % len(self.groups)]
        ids = [root, *self.groups[root]]
        self.desk.cancel(ids[which % len(ids)])

    @rule()
    def sweep(self) -> None:
        services.groups_repair(at=clock.now())

    def say(self, order_id: UUID, kind: ReportKind, **facts: object) -> None:
        self.desk.record(self.desk.report(order_id, kind, **facts))

    @invariant()
    def what_a_group_holds_is_what_may_still_trade(self) -> None:
        if getattr(self, "groups", None):
            assert self.desk.parked() == []
            traded = sum((self.signed(key, order.filled) for key, order in self.venue.items()), Decimal(0))
            assert self.desk.held() == self.start + traded
            self.check_reservations()

    def check_reservations(self) -> None:
        """Hold exits to one reservation for both, and to waiting for the whole of their entry."""
        found = orders_by_id([*self.groups, *(leg for legs in self.groups.values() for leg in legs)])
        held = dict(
            rows("SELECT order_id, quantity_left FROM positions_reservation WHERE account_id = %s", self.desk.account)
        )
        for root, legs in self.groups.items():
            is_oco = found[root].order_class is OrderClass.OCO
            exits = [found[key] for key in ([root, *legs] if is_oco else legs)]
            left = [order.leaves_quantity for order in exits if order.status != "held"]
            assert sum(held.get(order.id, Decimal(0)) for order in exits) == max(left, default=Decimal(0))
            if not is_oco and not self.has_busted and found[root].filled_quantity < QUANTITY:
                assert {order.status for order in exits} <= {"held", "canceled"}

    def signed(self, order_id: UUID, quantity: Decimal) -> Decimal:
        return quantity if order_id in self.groups and not self.is_oco(order_id) else -quantity

    def is_oco(self, root: UUID) -> bool:
        return self.desk.order(root).order_class is OrderClass.OCO

    def teardown(self) -> None:
        if not getattr(self, "groups", None):
            return
        self.quieten()
        for root, legs in self.groups.items():
            self.check(root, legs)
        findings = invariants_check(PROMISES, self.desk.accounts)
        assert [(f.invariant.code, f.invariant.sentence, f.hits) for f in findings if f.hits] == []

    def quieten(self) -> None:
        """Let the venue answer everything, willingly, and the sweep come back until nobody asks for more."""
        for _ in range(20):
            self.answer_all()
            services.groups_repair(at=clock.now())
            self.inbox += self.desk.claim()
            if not self.inbox:
                return
        raise AssertionError("the group never comes to rest")

    def check(self, root: UUID, legs: list[UUID]) -> None:
        exits = [root, *legs] if self.is_oco(root) else legs
        found = orders_by_id([root, *legs])
        none = AtVenue(Decimal(0), is_open=False)
        at = {key: self.venue.get(key, none) for key in (root, *legs)}
        exited = sum((at[key].filled for key in exits), Decimal(0))
        to_exit = found[root].quantity if self.is_oco(root) else at[root].filled
        working = [key for key in exits if found[key].status in WORKING and found[key].leaves_quantity]
        for key in working:
            assert at[key].left == found[key].leaves_quantity
            assert at[key].left <= max(to_exit - exited, Decimal(0)), (to_exit, exited, at)
        if not found[root].is_open and not self.is_oco(root):
            assert "held" not in [found[key].status for key in legs]
        done = [key for key in exits if at[key].filled and not at[key].left and at[key].is_open]
        assert not (done and set(working) - set(done)) or self.has_busted
        over = exited > to_exit
        said = rows(
            "SELECT count(*) FROM audit_event WHERE stream = %s AND payload #>> '{reason,code}' = 'OVER_EXIT'",
            f"order:{root}",
        )[0][0]
        assert said or not over


GroupMachine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
TestGroups = GroupMachine.TestCase
