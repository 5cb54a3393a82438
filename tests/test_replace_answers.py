"""What venues answer to replaces, in every order of arrival, against a model simple enough to be believed."""

from dataclasses import dataclass
from decimal import Decimal
from itertools import permutations, product

import pytest

from orders import services
from orders.domain.commands import ReplaceFields, ReplaceOrder
from orders.domain.reports import ReportKind
from orders.domain.types import IntentKind
from orders.models import OrderVersion
from orders.selectors import intents_in_flight, order_by_id
from orders.tests.desk import Desk, rows
from positions.tests.helpers import BY
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7
from trading_portal.management.commands.check_invariants import invariants_check

TEN = 10
RUNS = [
    (quantity, answer, run)
    for quantity, answer in product((5, 15), ("replaced", "replace_rejected"))
    for events in (("fill 4", "fill 6", answer), ("fill 4", "canceled", answer), ("fill 4", "expired", answer))
    for run in permutations(events)
]


@dataclass
class Model:
    """An order for ten of which somebody asked for `wanted`."""

    wanted: int
    quantity: int = TEN
    filled: int = 0
    is_pending: bool = True
    ended: str = ""
    version: str = "pending"
    parked: int = 0

    def take(self, event):
        if event.startswith("fill"):
            self.filled += int(event[5:])
        elif event == "replaced":
            if not self.is_pending:
                self.parked += 1
                return
            self.quantity, self.is_pending, self.version = max(self.wanted, self.filled), False, "accepted"
        elif event == "replace_rejected":
            if not self.is_pending:
                self.parked += not self.ended
                return
            self.is_pending, self.version = False, "rejected"
        elif self.filled >= self.quantity:
            self.parked += 1
        else:
            self.ended = event
            self.version = "rejected" if self.is_pending else self.version
            self.is_pending = False

    @property
    def status(self):
        if self.is_pending:
            return "pending_replace"
        if self.ended:
            return self.ended
        if self.filled >= self.quantity:
            return "filled"
        return "partially_filled" if self.filled else "new"

    @property
    def reserved(self):
        if self.ended:
            return None
        left = max(TEN, self.wanted) - self.filled if self.is_pending else self.quantity - self.filled
        return left if left > 0 else None


def ask(desk, asked, at=None):
    """Ask for quantities of orders, all at once, and have the venue told; return the ids that they will have."""
    desk.show()
    commands = [
        ReplaceOrder(
            order_id=order_id,
            account_id=None,
            fields=ReplaceFields(quantity=Decimal(quantity)),
            by=BY,
            correlation_id=uuid7(),
            requested_at=clock.now(),
        )
        for order_id, quantity in asked
    ]
    outcomes = services.orders_replace(commands=commands, at=at or clock.now())
    assert {outcome.status for outcome in outcomes} == {"requested"}, outcomes
    assert len(desk.claim()) == len(asked)
    return [outcome.version.public_id for outcome in outcomes]


def working(desk, count):
    """Have a venue work orders for ten each, at prices of their own."""
    commands = [
        desk.command(
            account_id=desk.accounts[n % len(desk.accounts)],
            quantity="10",
            limit_price=str(Decimal(100) - Decimal(n) / 100),
        )
        for n in range(count)
    ]
    placed = [placement.order.id for placement in desk.place_all(commands)]
    desk.claim()
    desk.record(*(desk.report(order_id, ReportKind.NEW) for order_id in placed))
    return placed


def reported(desk, order_id, version_id, wanted, event):
    if event.startswith("fill"):
        return desk.trade(order_id, event[5:], "90")
    facts = {"quantity": str(wanted)} if event == "replaced" else {}
    request = {"request_id": version_id} if event.startswith("replace") else {}
    return desk.report(order_id, ReportKind(event), **facts, **request)


@pytest.mark.parametrize("is_one_batch", [False, True], ids=["one by one", "in one batch"])
def test_whatever_comes_first_the_order_is_what_the_table_says(is_one_batch):
    desk = Desk(accounts=4, cash="100000000")  # no account may send as many a second as there are runs
    order_ids = working(desk, len(RUNS))
    versions = ask(desk, [(order_id, run[0]) for order_id, run in zip(order_ids, RUNS, strict=True)])
    models = [Model(wanted) for wanted, _, _ in RUNS]
    steps = []
    for step in range(3):
        reports = []
        for order_id, version_id, model, (wanted, _, run) in zip(order_ids, versions, models, RUNS, strict=True):
            reports.append(reported(desk, order_id, version_id, wanted, run[step]))
            model.take(run[step])
        steps.append(reports)
        if not is_one_batch:
            desk.record(*reports)
            compare(desk, order_ids, versions, models)
    if is_one_batch:
        desk.record(*(report for reports in steps for report in reports))
        compare(desk, order_ids, versions, models)
    assert len(desk.parked()) == sum(model.parked for model in models)
    assert [(each.invariant, each.hits) for each in invariants_check(accounts=desk.accounts) if each.hits] == []


def compare(desk, order_ids, versions, models):
    states = dict(OrderVersion.objects.filter(id__in=versions).values_list("id", "state"))
    held = dict(
        rows("SELECT order_id, quantity_left FROM positions_reservation WHERE account_id = ANY(%s)", desk.accounts)
    )
    for order_id, version_id, model, run in zip(order_ids, versions, models, RUNS, strict=True):
        order = desk.order(order_id)
        found = (order.status, order.quantity, order.filled_quantity, held.get(order_id), states[version_id])
        assert found == (model.status, model.quantity, model.filled, model.reserved, model.version), run
        assert order.public_id == (version_id if model.version == "accepted" else order_id)


@pytest.fixture
def desk():
    return Desk(cash="1000000")


def one(desk, quantity):
    (order_id,) = working(desk, 1)
    (version_id,) = ask(desk, [(order_id, quantity)])
    return order_id, version_id


def replaced(desk, order_id, quantity, **facts):
    return desk.report(order_id, ReportKind.REPLACED, quantity=quantity, **facts)


def test_an_answer_that_names_another_replace_is_parked(desk):
    order_id, version_id = one(desk, 12)
    desk.record(replaced(desk, order_id, "11", request_id=uuid7()))
    assert (desk.status(order_id), desk.parked()) == ("pending_replace", ["REPLACE_NOT_PENDING"])
    desk.record(replaced(desk, order_id, "12", request_id=version_id))
    (third,) = ask(desk, [(order_id, 13)])
    desk.record(desk.report(order_id, ReportKind.REPLACE_REJECTED, request_id=version_id))
    assert (desk.status(order_id), len(desk.parked())) == ("pending_replace", 2)
    desk.record(replaced(desk, order_id, "13"))  # without a name it answers what is pending
    assert desk.order(order_id).public_id == third


def test_a_replace_that_nobody_asked_for_is_parked(desk):
    (order_id,) = working(desk, 1)
    desk.record(replaced(desk, order_id, "12"))
    order = desk.order(order_id)
    assert (order.status, order.quantity, desk.parked()) == ("new", 10, ["MOVE_NOT_ALLOWED"])


def test_the_same_answer_again_changes_nothing(desk):
    order_id, version_id = one(desk, 12)
    answer = replaced(desk, order_id, "12", request_id=version_id)
    assert desk.record(answer, answer).repeats == 1
    assert desk.record(answer).repeats == 1
    assert desk.events(order_id)[-1] == "replaced"


def test_a_venue_may_give_other_terms_than_were_asked_for(desk):
    order_id, version_id = one(desk, 12)
    desk.record(replaced(desk, order_id, "11", request_id=version_id, price="101"))
    order = desk.order(order_id)
    assert (order.quantity, order.limit_price, order.worst_price) == (11, 101, 101)
    assert rows("SELECT quantity_left, price FROM positions_reservation WHERE order_id = %s", order_id) == [(11, 101)]
    assert order_by_id(version_id).limit_price == 101


def test_an_answer_without_a_quantity_is_parked(desk):
    order_id, version_id = one(desk, 12)
    desk.record(replaced(desk, order_id, None, request_id=version_id))
    assert (desk.status(order_id), desk.parked()) == ("pending_replace", ["REPORT_INCOMPLETE"])


def test_a_filled_order_is_replaced_by_a_larger_one_and_trades_on(desk):
    (order_id,) = working(desk, 1)
    desk.record(desk.trade(order_id, "10", "90"))
    assert desk.reserved(order_id) is None
    (version_id,) = ask(desk, [(order_id, 15)])
    assert (desk.status(order_id), desk.reserved(order_id)) == ("pending_replace", 5)
    desk.record(replaced(desk, order_id, "15", request_id=version_id))
    order = desk.order(order_id)
    assert (order.status, order.filled_at, desk.reserved(order_id)) == ("partially_filled", None, 5)
    desk.record(desk.trade(order_id, "5", "90"))
    assert (desk.status(order_id), desk.reserved(order_id)) == ("filled", None)
    (again,) = ask(desk, [(order_id, 16)])
    desk.record(desk.report(order_id, ReportKind.REPLACE_REJECTED, request_id=again))
    assert (desk.status(order_id), desk.reserved(order_id)) == ("filled", None)
    assert invariants(desk) == []


def test_a_fill_taken_back_while_a_replace_is_pending_is_reserved_again(desk):
    (order_id,) = working(desk, 1)
    trade = desk.trade(order_id, "4", "90")
    desk.record(trade)
    (version_id,) = ask(desk, [(order_id, 5)])
    assert desk.reserved(order_id) == 6
    desk.record(desk.report(order_id, ReportKind.TRADE_CANCEL, ref_exec_id=trade.exec_id))
    assert (desk.status(order_id), desk.reserved(order_id)) == ("pending_replace", 10)
    desk.record(replaced(desk, order_id, "5", request_id=version_id))
    assert (desk.status(order_id), desk.reserved(order_id)) == ("new", 5)
    assert invariants(desk) == []


def test_silence_after_a_replace_is_unknown_and_the_answer_clears_it(desk):
    order_id, version_id = one(desk, 12)
    marked = services.orders_unknown_mark(venue=desk.venue, sent_before=clock.now(), fence=None, at=clock.now())
    assert marked == [order_id]
    assert desk.reserved(order_id) == 12
    (flight,) = intents_in_flight(desk.venue, sent_before=clock.now(), limit=10)
    assert (flight.kind, flight.request_id, flight.is_unknown) == (IntentKind.REPLACE, version_id, True)
    assert services.sends_retry(
        venue=desk.venue, order_ids=[order_id], kinds=[IntentKind.REPLACE], fence=None, at=clock.now()
    )
    (again,) = desk.claim()
    assert (again.attempt, again.terms.version_id) == (2, version_id)
    desk.record(replaced(desk, order_id, "12", request_id=version_id))
    assert (desk.order(order_id).is_unknown, desk.status(order_id)) == (False, "new")


def test_an_unknown_order_that_the_venue_no_longer_knows_ends_with_its_replace(desk):
    order_id, version_id = one(desk, 12)
    services.orders_unknown_mark(venue=desk.venue, sent_before=clock.now(), fence=None, at=clock.now())
    desk.record(desk.report(order_id, ReportKind.STATUS_UNKNOWN_ORDER, exec_id=None))
    assert (desk.status(order_id), desk.reserved(order_id)) == ("rejected", None)
    assert order_by_id(version_id).reasons[0]["code"] == "REPLACE_OVERTAKEN"
    assert invariants(desk) == []


def invariants(desk):
    return [(each.invariant, each.hits) for each in invariants_check(accounts=desk.accounts) if each.hits]
