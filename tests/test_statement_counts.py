"""A batch asks the servers for as much as one order does, and an account's answers for as much as an empty one's.

What each step may ask is written down here: `<order` reads a table, `+order` adds to it, `~order` changes it, `-order`
deletes from it. What is asked beyond that is told by name; what is no longer needed is to be taken from its list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import pytest

from orders import services
from orders.domain.commands import StopLoss, TakeProfit
from orders.domain.facts import Placement
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.types import OrderClass
from orders.services.authorising import keyed_orders_let_in
from orders.tests.api import Caller, new_caller
from orders.tests.desk import Desk
from orders.tests.queueing import Key
from orders.tests.replacing import command
from positions.services import cash_post
from positions.tests.helpers import BY, new_instrument, set_live
from tests.statements import Asked, asked
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

SIZES = [1, 8, 100]
ACCOUNTS = 4  # among which a batch is dealt out: the rate of one account is limited
T = TypeVar("T")

JUDGED = "<holding <limit MGET +decision"
TOLD = "+event ~tradingaccount COMMIT NOTIFY"
CLAIMED = "<venueintent <tradingaccount <order <venueintent ~venueintent"
REPORTED = f"<order <tradingaccount <order <recordedreport <instrument +recordedreport ~venueintent ~order {TOLD}"
BOOKED = "<holding <cashbalance +ledgerline +holding +cashbalance +execution"
# What the exits of a group add: they are looked for with their entry, and hold one reservation for both.
MEMBERS = "<order <instrument -reservation +reservation"
STEPS = {
    "place": f"<instrument <tradingaccount <order {JUDGED} +order +venueintent +reservation {TOLD}",
    "refuse": f"<instrument <tradingaccount <order {JUDGED} +order {TOLD}",
    "claim": f"{CLAIMED} <instrument <killswitch ~order {TOLD}",
    "acknowledge": REPORTED,
    "fill": f"{REPORTED} {BOOKED} ~reservation",
    "ask for a cancel": f"<order <tradingaccount <order +venueintent ~order {TOLD}",
    "claim the cancel": f"{CLAIMED} COMMIT",
    "end": f"{REPORTED} -reservation",
    "ask for a replace": "<order <tradingaccount <order <order <orderversion <instrument +orderversion +venueintent "
    f"~order {JUDGED} {TOLD}",
    "claim the replace": f"{CLAIMED} <orderversion <killswitch COMMIT",
    "replace": f"{REPORTED} <orderversion ~reservation ~orderversion ~order ~orderversion",
    "fill the entry": f"{REPORTED} {BOOKED} {MEMBERS} -reservation -reservation <holding +venueintent ~order",
    "claim the exits": f"{CLAIMED} <killswitch ~order {TOLD}",
    "acknowledge the exits": f"{REPORTED} {MEMBERS}",
    "fill the take-profit": f"{REPORTED} {BOOKED} {MEMBERS} +venueintent ~order",
    "let keys in": "<apikey EVALSHA",
}
GATE = "<apikey EVALSHA"
# What a read asks when something has happened in the account, and what it asks again when nothing has.
READS = {
    "/v2/orders": (f"{GATE} <order", GATE),
    "/v2/orders?status=all&nested=true": (f"{GATE} <order", GATE),
    "/v2/positions": (f"{GATE} <holding MGET", f"{GATE} MGET"),
    "/v2/account": (f"{GATE} <holding MGET <killswitch", f"{GATE} MGET <killswitch"),
    "/v2/account/activities/FILL": (f"{GATE} <execution", GATE),
    "/v2/account/events": (f"{GATE} <event", f"{GATE} <event"),
}


class Crowd:
    """Some accounts at one desk, whose orders go their way together; every step is held to what it may ask."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.desk = Desk(accounts=min(size, ACCOUNTS))

    def step(self, name: str, work: Callable[[], T]) -> T:
        self.desk.show()
        with asked() as seen:
            done = work()
        assert seen.beyond(STEPS[name]) == [], f"to {name}, {self.size} at once"
        return done

    def account(self, number: int) -> UUID:
        return self.desk.accounts[number % len(self.desk.accounts)]

    def place(self, name: str = "place", **changes: Any) -> list[Placement]:
        commands = [self.desk.command(account_id=self.account(number), **changes) for number in range(self.size)]
        placed = self.step(
            name, lambda: services.orders_place(commands=commands, at=clock.now(), venue=self.desk.venue)
        )
        assert {each.status for each in placed} == {"refused" if name == "refuse" else "accepted"}
        return placed

    def claim(self, name: str = "claim", messages: int = 0) -> list[Any]:
        claimed = self.step(name, self.desk.claim)
        assert len(claimed) == (messages or self.size)
        return claimed

    def record(self, name: str, reports: Sequence[VenueReport]) -> None:
        self.step(name, lambda: self.desk.record(*reports))

    def statuses(self, ids: Sequence[UUID]) -> set[str]:
        return {self.desk.status(each) for each in ids}


@pytest.mark.parametrize("size", SIZES)
def test_orders_are_placed_sent_filled_and_cancelled_by_as_many_statements_as_one(size):
    crowd = Crowd(size)
    desk, ids = crowd.desk, [each.order.id for each in crowd.place()]
    crowd.claim()
    crowd.record("acknowledge", [desk.report(each, ReportKind.NEW) for each in ids])
    crowd.record("fill", [desk.trade(each, "0.5") for each in ids])
    given = {"order_ids": ids, "account_id": None, "by": BY, "correlation_id": uuid7(), "at": clock.now()}
    crowd.step("ask for a cancel", lambda: services.orders_cancel(**given))
    crowd.claim("claim the cancel")
    crowd.record("end", [desk.report(each, ReportKind.CANCELED) for each in ids])
    assert crowd.statuses(ids) == {"canceled"}
    crowd.place("refuse", quantity="1e12")


@pytest.mark.parametrize("size", SIZES)
def test_orders_are_replaced_by_as_many_statements_as_one(size):
    crowd = Crowd(size)
    desk, ids = crowd.desk, [each.order.id for each in crowd.place()]
    desk.claim()
    desk.record(*[desk.report(each, ReportKind.NEW) for each in ids])
    commands = [command(desk, each, crowd.account(number), limit_price="99") for number, each in enumerate(ids)]
    crowd.step("ask for a replace", lambda: services.orders_replace(commands=commands, at=clock.now()))
    answers = [
        desk.report(each.order_id, ReportKind.REPLACED, request_id=each.terms.version_id, quantity=each.terms.quantity)
        for each in crowd.claim("claim the replace")
    ]
    crowd.record("replace", answers)
    assert {desk.order(each).limit_price for each in ids} == {99}


@pytest.mark.parametrize("size", SIZES)
def test_the_exits_of_groups_follow_their_entries_by_as_many_statements_as_those_of_one(size):
    crowd = Crowd(size)
    exits = {"take_profit": TakeProfit(limit_price=Decimal(110)), "stop_loss": StopLoss(stop_price=Decimal(90))}
    desk, placed = crowd.desk, crowd.place(order_class=OrderClass.BRACKET, **exits)
    quantities = [str(each.order.quantity) for each in placed]
    desk.claim()
    entries, profits = [each.order.id for each in placed], [each.legs[0].id for each in placed]
    crowd.record("fill the entry", [desk.trade(*fill) for fill in zip(entries, quantities, strict=True)])
    crowd.claim("claim the exits", messages=2 * size)
    legs = [leg.id for each in placed for leg in each.legs]
    crowd.record("acknowledge the exits", [desk.report(each, ReportKind.NEW) for each in legs])
    crowd.record("fill the take-profit", [desk.trade(*fill, "110") for fill in zip(profits, quantities, strict=True)])
    assert crowd.statuses(entries + profits) == {"filled"}
    assert len(desk.claim()) == size


@pytest.mark.parametrize("size", SIZES)
def test_keys_are_let_in_by_as_many_statements_as_one(size):
    crowd = Crowd(size)
    key = Key(crowd.desk, orders_per_minute=10_000)
    keyed_orders_let_in([key.orders("1")], at=clock.now())  # Redis has the script from here on
    requests = [key.orders("1") for _ in range(size)]
    answers = crowd.step("let keys in", lambda: keyed_orders_let_in(requests, at=clock.now()))
    assert [len(each.commands) for each in answers] == [1] * size


def account_with(size: int) -> Caller:
    """Return a key of an account with so many open orders and positions, each in an instrument of its own."""
    desk = Desk()
    instruments = [new_instrument() for _ in range(size)]
    for instrument in instruments:
        set_live(instrument, "100", None)
    placed = desk.place_all([desk.command(symbol=each.symbol, quantity="2") for each in instruments])
    desk.claim()
    desk.record(*[desk.trade(each.order.id, "1") for each in placed])
    return new_caller(account_id=desk.account)


def read(caller: Caller, path: str) -> tuple[Any, Asked]:
    with asked(on_any_thread=True) as seen:
        answer = caller.get(path)
    assert answer.status_code == 200, answer.content
    return answer.json(), seen


@pytest.mark.parametrize("size", [1, 50])
def test_an_account_is_read_by_as_many_statements_whatever_it_has(size):
    caller = account_with(size)
    caller.get("/v2/clock")  # Redis has the script from here on
    for path, (at_first, again) in READS.items():
        cash_post(
            account_id=caller.account_id, currency="USD", amount=Decimal(1), reason="deposit", by=BY, at=clock.now()
        )
        answer, seen = read(caller, path)
        assert isinstance(answer, dict) or len(answer) >= size
        assert seen.beyond(at_first) == [], f"{path} of {size}"
        same, seen = read(caller, path)
        assert same == answer
        assert seen.beyond(again) == [], f"{path} of {size}, again"
