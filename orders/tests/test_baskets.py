"""Baskets: all of their orders are accepted, or none is, whatever stands beside them in a batch."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from orders import services
from orders.services.queue import PlacementQueue
from orders.tests.desk import Desk, rows
from positions.domain.types import Side
from trading_portal.kernel import clock


@pytest.fixture
def desk():
    return Desk(cash="10000")


@pytest.fixture
def queue():
    queue = PlacementQueue()
    yield queue
    assert queue.stop()


def place(desk, commands, *baskets):
    desk.show()
    return services.orders_place(commands=commands, at=clock.now(), venue=desk.venue, baskets=baskets)


def codes(answer):
    return [why.code for why in answer.refusal]


def test_a_basket_of_good_orders_is_accepted(desk):
    commands = [desk.command() for _ in range(3)]
    assert [answer.status for answer in place(desk, commands, range(3))] == ["accepted"] * 3


def test_one_refused_order_refuses_the_whole_basket_and_every_order_says_why(desk):
    good, culprit, last = desk.command(), desk.command(side=Side.SELL, client_order_id="culprit"), desk.command()
    answers = place(desk, [good, culprit, last], range(3))
    assert [answer.status for answer in answers] == ["refused"] * 3
    assert "SHORT_NOT_ALLOWED" in codes(answers[1])
    assert (codes(answers[0]), codes(answers[2])) == (["BASKET_REFUSED"], ["BASKET_REFUSED"])
    assert answers[0].refusal[0].facts["culprits"] == "culprit"
    assert rows("SELECT DISTINCT base FROM orders_order WHERE account_id = %s", desk.account) == [("rejected",)]
    assert rows("SELECT count(*) FROM positions_reservation WHERE account_id = %s", desk.account) == [(0,)]
    assert rows("SELECT is_approved FROM risk_decision WHERE account_id = %s", desk.account) == [(False,)] * 3
    assert desk.claim() == []


def test_a_basket_that_is_too_much_together_is_refused_whole(desk):
    """A fifth of the account may be in one name: either order alone would do."""
    commands = [desk.command(quantity="12"), desk.command(quantity="13")]
    answers = place(desk, commands, range(2))
    assert [answer.status for answer in answers] == ["refused", "refused"]
    assert codes(answers[1]) == ["CONCENTRATION_ABOVE_LIMIT"]


def test_a_refused_basket_takes_nothing_from_the_orders_beside_it(desk):
    before, after = desk.command(quantity="5"), desk.command(quantity="14")
    basket = [desk.command(quantity="10"), desk.command(side=Side.SELL)]
    answers = place(desk, [before, *basket, after], range(1, 3))
    assert [answer.status for answer in answers] == ["accepted", "refused", "refused", "accepted"]


def test_two_baskets_in_one_batch_are_judged_each_for_itself(desk):
    good = [desk.command(), desk.command()]
    bad = [desk.command(), desk.command(side=Side.SELL)]
    answers = place(desk, [*good, *bad], range(2), range(2, 4))
    assert [answer.status for answer in answers] == ["accepted", "accepted", "refused", "refused"]


def test_an_order_that_cannot_be_one_spoils_the_basket_and_nothing_is_stored(desk):
    good, bad = desk.command(), desk.command(symbol="NOSUCH")
    alone = desk.command()
    answers = place(desk, [good, bad, alone], range(2))
    assert [answer.status for answer in answers] == ["invalid", "invalid", "accepted"]
    assert (codes(answers[0]), codes(answers[1])) == (["BASKET_REFUSED"], ["SYMBOL_UNKNOWN"])
    assert rows("SELECT count(*) FROM orders_order WHERE account_id = %s", desk.account) == [(1,)]


def test_an_id_taken_by_another_order_spoils_the_basket(desk):
    taken = desk.command(quantity="3")
    place(desk, [taken])
    answers = place(desk, [desk.command(), replace(taken, quantity=Decimal(4))], range(2))
    assert [answer.status for answer in answers] == ["invalid", "conflict"]


@pytest.mark.parametrize("is_refused", [False, True])
def test_the_same_basket_again_gets_the_same_answers(desk, is_refused):
    commands = [desk.command(), desk.command(side=Side.SELL) if is_refused else desk.command()]
    first, again = place(desk, commands, range(2)), place(desk, commands, range(2))
    assert [a.order.id for a in again] == [a.order.id for a in first]
    assert [(a.status, codes(a), a.is_replay) for a in again] == [(a.status, codes(a), True) for a in first]


def test_the_same_basket_twice_in_one_batch_is_one(desk):
    commands = [desk.command(), desk.command()]
    answers = place(desk, [*commands, *commands], range(2), range(2, 4))
    assert [answer.status for answer in answers] == ["accepted"] * 4
    assert [a.order.id for a in answers[:2]] == [a.order.id for a in answers[2:]]
    refused = [desk.command(), desk.command(side=Side.SELL)]
    answers = place(desk, [*refused, *refused], range(2), range(2, 4))
    assert [answer.status for answer in answers] == ["refused"] * 4


def test_what_a_basket_repeats_of_an_accepted_order_stands(desk):
    standing = desk.command()
    place(desk, [standing])
    answers = place(desk, [standing, desk.command()], range(2))
    assert [(answer.status, answer.is_replay) for answer in answers] == [("accepted", True), ("accepted", False)]


async def test_the_queue_keeps_a_basket_whole_among_other_requests(desk, queue):
    basket = tuple(desk.command(side=Side.SELL if index == 2 else Side.BUY) for index in range(4))
    singles = [desk.command() for _ in range(3)]
    placed, *alone = await asyncio.gather(
        queue.place_all(basket, all_or_none=True), *(queue.place(each) for each in singles)
    )
    assert [placement.status for placement in placed.placements] == ["refused"] * 4
    assert [placement.status for placement in alone] == ["accepted"] * 3


async def test_a_culprit_beside_a_basket_does_not_split_it(desk, queue):
    nobody = replace(desk.command(), account_id=desk.command().correlation_id)
    basket = tuple(desk.command() for _ in range(3))
    placed, failed = await asyncio.gather(
        queue.place_all(basket, all_or_none=True), queue.place(nobody), return_exceptions=True
    )
    assert [placement.status for placement in placed.placements] == ["accepted"] * 3
    assert isinstance(failed, Exception)
