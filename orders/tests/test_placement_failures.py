"""The queue when a batch fails: it is split, tried again or given up, and everybody is told what is true of theirs."""

import asyncio
import threading

import pytest
from django.db import DataError, OperationalError, connection
from psycopg.errors import LockNotAvailable

from orders import services
from orders.domain.errors import KeyNotAccepted
from orders.services.authorising import KeyedOrders
from orders.services.queue import PlacementQueue
from orders.tests.desk import Desk, rows
from orders.tests.queueing import placed_together
from trading_portal.kernel import clock
from trading_portal.kernel.errors import NotFound, Unavailable, reason
from trading_portal.kernel.ids import uuid7


@pytest.fixture
def desk():
    return Desk()


async def test_a_batch_that_fails_is_split_until_the_culprit_is_alone(desk):
    poison = desk.command(quantity="777")
    sizes = []

    def place(*, commands, at):
        sizes.append(len(commands))
        if poison in commands:
            raise DataError("a poison order")
        return services.orders_place(commands=commands, at=at, venue=desk.venue)

    gate = threading.Event()
    queue = PlacementQueue(place=lambda **asked: (gate.wait(20), place(**asked))[1])
    blocker = asyncio.ensure_future(queue.place(desk.command()))
    await asyncio.sleep(0.1)
    commands = [desk.command() for _ in range(7)]
    commands.insert(3, poison)
    waiting = [asyncio.ensure_future(queue.place(command)) for command in commands]
    await asyncio.sleep(0)
    gate.set()
    answers = await asyncio.gather(blocker, *waiting, return_exceptions=True)
    failed = [answer for answer in answers if isinstance(answer, Exception)]
    assert [error.reason.code for error in failed] == ["PLACEMENT_FAILED"]
    assert answers.index(failed[0]) == 4
    assert sizes == [1, 8, 4, 2, 2, 1, 1, 4]
    assert queue.stop()


async def test_an_unknown_account_fails_alone(desk, queue):
    answers = await asyncio.gather(
        queue.place(desk.command()),
        queue.place(desk.command(account_id=uuid7())),
        queue.place(desk.command()),
        return_exceptions=True,
    )
    assert isinstance(answers[1], NotFound)
    assert [answers[0].status, answers[2].status] == ["accepted", "accepted"]


async def test_a_lost_connection_is_tried_again_once(desk):
    lost = [OperationalError("gone")]

    def place(*, commands, at):
        if lost:
            raise lost.pop()
        return services.orders_place(commands=commands, at=at, venue=desk.venue)

    queue = PlacementQueue(place=place)
    assert (await queue.place(desk.command())).status == "accepted"
    assert queue.stop()


@pytest.mark.parametrize("away", [OperationalError("gone"), Unavailable(reason("PRICES_UNREADABLE"), "Not now.")])
async def test_what_a_part_has_committed_is_told_although_nobody_can_decide_the_rest(desk, away):
    commands = [desk.command() for _ in range(4)]

    def place(*, commands: list, at, whole=tuple(commands)):
        if len(commands) == len(whole):
            raise DataError("something in here")
        if whole[-1] in commands:
            raise away
        return services.orders_place(commands=commands, at=at, venue=desk.venue)

    told = await placed_together(desk, place, commands)
    refused = "PLACEMENT_FAILED" if isinstance(away, OperationalError) else "PRICES_UNREADABLE"
    assert told == ["accepted", "accepted", refused, refused]


async def test_a_transaction_that_the_server_ends_twice_is_split_until_the_culprit_is_alone(desk):
    slow = desk.command(quantity="777")

    def place(*, commands, at):
        if slow in commands:
            raise OperationalError("canceling statement due to lock timeout") from LockNotAvailable()
        return services.orders_place(commands=commands, at=at, venue=desk.venue)

    told = await placed_together(desk, place, [desk.command(), slow, desk.command()])
    assert told == ["accepted", "PLACEMENT_FAILED", "accepted"]


async def test_a_key_that_is_not_accepted_is_told_so_although_nobody_can_decide_the_rest(desk):
    def place(*, commands, at):
        raise OperationalError("gone")

    def let_in(batch, *, at):
        return [KeyNotAccepted() for _ in batch]

    gate = threading.Event()
    queue = PlacementQueue(place=lambda **asked: (gate.wait(20), place(**asked))[1], let_in=let_in)
    blocker = asyncio.ensure_future(queue.place(desk.command()))
    await asyncio.sleep(0.1)
    keyed = KeyedOrders(("key", "secret"), "127.0.0.1", (), "api", uuid7(), clock.now())
    unknown = asyncio.ensure_future(queue.place_all(keyed))
    beside = asyncio.ensure_future(queue.place(desk.command()))
    await asyncio.sleep(0)
    gate.set()
    answers = await asyncio.gather(blocker, unknown, beside, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable, KeyNotAccepted, Unavailable]
    assert queue.stop()


async def test_a_database_that_stays_away_is_said_to_be_unavailable_and_the_queue_lives_on(desk):
    is_away = True

    def place(*, commands, at):
        if is_away:
            raise OperationalError("gone")
        return services.orders_place(commands=commands, at=at, venue=desk.venue)

    queue = PlacementQueue(place=place)
    with pytest.raises(Unavailable) as refused:
        await queue.place(desk.command())
    assert refused.value.status == 503
    is_away = False
    assert (await queue.place(desk.command())).status == "accepted"
    assert queue.stop()


def test_a_connection_that_the_server_killed_is_replaced(desk):
    backends = []

    def place(*, commands, at):
        backends.append(rows("SELECT pg_backend_pid()")[0][0])
        return services.orders_place(commands=commands, at=at, venue=desk.venue)

    queue = PlacementQueue(place=place)
    queue.place_blocking((desk.command(),))
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE NONE")
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backends[0]])
        cursor.execute("RESET ROLE")
    assert queue.place_blocking((desk.command(),)).placements[0].status == "accepted"
    assert backends[-1] != backends[0]
    assert queue.stop()
