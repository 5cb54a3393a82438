"""Requests gather while those before them are answered, and none waits for ever or hides another's answer."""

import asyncio
import threading

import pytest
from django.db import OperationalError

from accounts.api.gathering import Gathering
from accounts.api.reading import Kept
from trading_portal.kernel.errors import Unavailable


def gathered(work, asked, **options):
    """Ask for everything at once, on one loop."""

    async def run():
        line = Gathering(work, name="test", **options)
        return await asyncio.gather(*(line.ask(each) for each in asked), return_exceptions=True)

    return asyncio.run(run())


def test_what_comes_while_a_batch_is_answered_goes_together():
    batches = []

    def work(batch):
        batches.append(list(batch))
        return [each * 2 for each in batch]

    assert gathered(work, range(10)) == [each * 2 for each in range(10)]
    assert batches == [[0], list(range(1, 10))]


def test_a_full_line_refuses_at_once_and_answers_those_it_took():
    proceed = threading.Event()

    def work(batch):
        assert proceed.wait(10)
        return batch

    async def run():
        line = Gathering(work, name="test", capacity=2)
        taken = [asyncio.create_task(line.ask(number)) for number in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await line.ask(3)
        proceed.set()
        return await asyncio.gather(*taken)

    assert asyncio.run(run()) == [0, 1, 2]


def test_a_batch_that_fails_fails_alone():
    def work(batch):
        if 0 in batch:
            raise ValueError("broken")
        return batch

    first, *others = gathered(work, range(3))
    assert isinstance(first, ValueError)
    assert others == [1, 2]


def test_a_connection_that_broke_is_replaced_once():
    failures = [OperationalError("gone")]

    def work(batch):
        if failures:
            raise failures.pop()
        return batch

    assert gathered(work, [1]) == [1]


def test_who_gave_up_keeps_nobody_from_an_answer():
    proceed = threading.Event()

    def work(batch):
        assert proceed.wait(10)
        return batch

    async def run():
        line = Gathering(work, name="test")
        impatient, patient = (asyncio.create_task(line.ask(number)) for number in range(2))
        await asyncio.sleep(0)
        impatient.cancel()
        proceed.set()
        return await patient

    assert asyncio.run(run()) == 1


def test_what_is_kept_is_only_given_for_its_own_version():
    kept = Kept(limit=100)
    kept.put("a", 2, "new", 10)
    kept.put("a", 1, "late", 10)
    assert [kept.get("a", version) for version in (1, 2, 3)] == [None, "new", None]


def test_what_was_not_asked_for_the_longest_makes_room():
    kept = Kept(limit=100)
    for key in "abc":
        kept.put(key, 1, key, 30)
    assert kept.get("a", 1) == "a"
    kept.put("d", 1, "d", 30)
    assert [kept.get(key, 1) for key in "abcd"] == ["a", None, "c", "d"]
