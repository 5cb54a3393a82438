"""The queue: everybody gets the answer to what they asked, whatever happens to those beside them."""

import asyncio
import time

import pytest
from django.db import connection
from msgspec.structs import replace

from accounts.domain.rates import RateAnswer
from accounts.services import api_key_revoke
from orders import services
from orders.domain.errors import KeyForbidden, KeyNotAccepted, RateLimited
from orders.services.authorising import KeyedOrders, LetIn, keyed_orders_let_in
from orders.services.queue import PlacementQueue, placement_queue
from orders.tests.desk import Desk, rows
from orders.tests.queueing import Gate, Key
from positions.tests.helpers import BY
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Unavailable, reason
from trading_portal.kernel.ids import uuid7


@pytest.fixture
def desk():
    return Desk()


async def test_many_requests_at_once_get_each_their_own_answer(desk, queue):
    commands = [desk.command() for _ in range(50)]
    placements = await asyncio.gather(*(queue.place(command) for command in commands))
    assert [p.order.client_order_id for p in placements] == [c.client_order_id for c in commands]
    assert {p.status for p in placements} == {"accepted"}


async def test_what_gathers_while_a_batch_commits_is_the_next_batch(desk):
    gate = Gate(desk)
    queue = PlacementQueue(place=gate)
    first = asyncio.ensure_future(queue.place(desk.command()))
    await asyncio.to_thread(gate.entered.wait, 20)
    rest = [asyncio.ensure_future(queue.place(desk.command())) for _ in range(20)]
    await asyncio.sleep(0)
    gate.opened.set()
    await asyncio.gather(first, *rest)
    assert gate.batches == [1, 20]
    assert queue.stop()


async def test_keys_and_rates_are_looked_at_once_for_all_that_gathered(desk):
    gate, looks = Gate(desk), []

    def let_in(batch, *, at):
        looks.append(len(batch))
        return [LetIn((desk.command(),), None) for _ in batch]

    queue = PlacementQueue(place=gate, let_in=let_in)
    first = asyncio.ensure_future(queue.place(desk.command()))
    await asyncio.to_thread(gate.entered.wait, 20)
    keyed = KeyedOrders(("key", "secret"), "127.0.0.1", (), "api", uuid7(), clock.now())
    rest = [asyncio.ensure_future(queue.place_all(keyed)) for _ in range(9)]
    await asyncio.sleep(0)
    gate.opened.set()
    await asyncio.gather(first, *rest)
    assert (looks, gate.batches) == ([9], [1, 9])
    assert queue.stop()


async def test_a_full_queue_refuses_at_once_and_loses_nothing(desk):
    gate = Gate(desk)
    queue = PlacementQueue(place=gate, capacity=3)
    kept = [asyncio.ensure_future(queue.place(desk.command())) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refused:
        await queue.place(desk.command())
    assert refused.value.reason.code == "PLACEMENT_QUEUE_FULL"
    gate.opened.set()
    assert {p.status for p in await asyncio.gather(*kept)} == {"accepted"}
    assert (await queue.place(desk.command())).status == "accepted"
    assert queue.stop()


async def test_stopping_answers_what_waits_and_refuses_what_is_new(desk):
    gate = Gate(desk)
    queue = PlacementQueue(place=gate)
    waiting = [asyncio.ensure_future(queue.place(desk.command())) for _ in range(5)]
    await asyncio.sleep(0)
    stopped = asyncio.ensure_future(asyncio.to_thread(queue.stop))
    await asyncio.sleep(0.05)
    with pytest.raises(Unavailable) as refused:
        await queue.place(desk.command())
    assert refused.value.reason.code == "PLACEMENT_STOPPING"
    gate.opened.set()
    assert {p.status for p in await asyncio.gather(*waiting)} == {"accepted"}
    assert await stopped


async def test_whoever_gives_up_waiting_costs_the_others_nothing(desk):
    gate = Gate(desk)
    queue = PlacementQueue(place=gate)
    command = desk.command()
    gone, stays = asyncio.ensure_future(queue.place(command)), asyncio.ensure_future(queue.place(desk.command()))
    await asyncio.sleep(0.05)
    gone.cancel()
    gate.opened.set()
    assert (await stays).status == "accepted"
    again = await queue.place(command)
    assert (again.status, again.is_replay) == ("accepted", True)
    assert queue.stop()


def test_threads_without_an_event_loop_place_too(desk, queue):
    assert queue.place_blocking((desk.command(),)).placements[0].status == "accepted"


def test_answers_for_a_loop_that_is_closed_are_dropped(desk, queue):
    loop = asyncio.new_event_loop()
    loop.call_soon(lambda: loop.create_task(queue.place(desk.command())))
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert queue.place_blocking((desk.command(),)).placements[0].status == "accepted"


def test_a_process_has_one_queue():
    assert placement_queue() is placement_queue()


def test_orders_with_a_key_are_placed_in_its_account_and_in_its_name(desk, queue):
    key = Key(desk)
    desk.show()
    placed = queue.place_blocking(key.orders("1", "2"))
    assert [p.order.account_id for p in placed.placements] == [desk.account, desk.account]
    assert placed.rate.is_allowed
    order_id = placed.placements[0].order.id
    actor, api_key = rows(
        "SELECT e.actor, o.api_key_id FROM orders_order o JOIN audit_event e ON e.stream = 'order:' || o.id "
        "WHERE o.id = %s",
        order_id,
    )[0]
    assert (actor, api_key) == (f"api_key:{key.key.key_id}", key.key.key_pk)


def test_wrong_keys_are_told_and_their_neighbours_placed(desk, queue):
    key, revoked = Key(desk), Key(desk)
    reader, fenced = Key(desk, scopes=["account:read"]), Key(desk, allowed_networks=["192.168.0.0/16"])
    api_key_revoke(key_id=revoked.key.key_id, by=BY, at=clock.now())
    desk.show()
    asked = [
        key.orders("1"),
        key.orders("2", secret="wrong"),
        revoked.orders("3"),
        reader.orders("4"),
        fenced.orders("5"),
        fenced.orders("6", address="192.168.7.7"),
    ]

    async def ask():
        return await asyncio.gather(*(queue.place_all(each) for each in asked), return_exceptions=True)

    answers = asyncio.run(ask())
    expected = [None, KeyNotAccepted, KeyNotAccepted, KeyForbidden, KeyForbidden, None]
    assert [type(a) if isinstance(a, Exception) else None for a in answers] == expected
    assert (answers[0].placements[0].status, answers[5].placements[0].status) == ("accepted", "accepted")
    assert rows("SELECT count(*) FROM orders_order WHERE account_id = %s", desk.account) == [(2,)]


def test_a_key_over_its_budget_is_refused_and_says_until_when(desk, queue):
    key = Key(desk, orders_per_minute=3)
    desk.show()
    placed = queue.place_blocking(key.orders("1", "2"))
    assert placed.rate.remaining == 1
    with pytest.raises(RateLimited) as refused:
        queue.place_blocking(key.orders("3", "4"))
    assert 0 < refused.value.rate.wait_seconds <= 60
    assert queue.place_blocking(key.orders("5")).placements[0].status == "accepted"


def test_keys_are_verified_and_rates_taken_once_for_a_batch(desk):
    key, taken = Key(desk), []

    def take_rates(requests):
        taken.append(len(requests))
        return [
            RateAnswer("orders", is_allowed=True, limit=request.limit, remaining=1, wait_seconds=0)
            for request in requests
        ]

    answers = keyed_orders_let_in([key.orders(str(n + 1)) for n in range(5)], take_rates=take_rates, at=clock.now())
    assert taken == [5]
    assert [len(answer.commands) for answer in answers] == [1] * 5


def test_rates_that_cannot_be_counted_refuse_with_a_503(desk):
    def fail(batch, *, at):
        raise Unavailable(reason("RATE_UNKNOWN"), "no Redis")

    queue = PlacementQueue(let_in=fail)
    with pytest.raises(Unavailable):
        queue.place_blocking(Key(desk).orders("1"))
    assert queue.stop()


async def test_a_request_larger_than_the_queue_is_let_in_when_nothing_waits(desk):
    queue = PlacementQueue(capacity=2, batch=2)
    desk.show()
    placed = await queue.place_all(tuple(desk.command() for _ in range(5)))
    assert [p.status for p in placed.placements] == ["accepted"] * 5
    assert queue.stop()


async def test_an_answer_that_takes_too_long_is_a_503_and_the_order_can_be_asked_for_again(desk, monkeypatch):
    monkeypatch.setattr("orders.services.queue.ANSWER_SECONDS", 0.05)
    gate = Gate(desk)
    queue = PlacementQueue(place=gate)
    command = desk.command()
    with pytest.raises(Unavailable) as late:
        await queue.place(command)
    assert late.value.reason.code == "PLACEMENT_LATE"
    gate.opened.set()
    monkeypatch.setattr("orders.services.queue.ANSWER_SECONDS", 10.0)
    again = await queue.place(replace(command))
    assert (again.status, again.is_replay) == ("accepted", True)
    assert queue.stop()


def test_the_queue_keeps_one_connection_that_plans_for_large_tables(desk, queue):
    seen = []

    def place(*, commands, at):
        seen.append((id(connection.connection), rows("SHOW enable_seqscan")[0][0]))
        return services.orders_place(commands=commands, at=at, venue=desk.venue)

    queue = PlacementQueue(place=place)
    for _ in range(3):
        queue.place_blocking((desk.command(),))
        time.sleep(0.01)
    assert set(seen) == {(seen[0][0], "off")}
    assert queue.stop()
