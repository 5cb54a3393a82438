"""What waits for a thread of the API is bounded, and what reduces risk waits for nothing but its like."""

import asyncio
import threading
from contextlib import contextmanager

import pytest
from django.http import HttpRequest, HttpResponse
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api import pool
from accounts.api.pool import BoundedPool, in_cancel_pool, in_pool, in_reading_pool, resource
from trading_portal.kernel.errors import Unavailable


@contextmanager
def small_pools(monkeypatch, capacity=2):
    """Give the test pools of one thread each."""
    made = BoundedPool(1, name="test-api", capacity=capacity), BoundedPool(1, name="test-cancel", capacity=capacity)
    monkeypatch.setattr(pool, "_pool", made[0])
    monkeypatch.setattr(pool, "_cancel_pool", made[1])
    yield
    for each in made:
        each.shutdown()


def while_full(monkeypatch, act):
    """Fill the ordinary pool, act, let go, and return what acting returned and what the works did that filled it."""
    proceed = threading.Event()

    async def run():
        taken = [asyncio.create_task(in_pool(proceed.wait, 10)) for _ in range(2)]
        await asyncio.sleep(0.01)
        try:
            return await act()
        finally:
            proceed.set()
            assert await asyncio.gather(*taken) == [True, True]

    with small_pools(monkeypatch):
        return asyncio.run(run())


@pytest.mark.parametrize("ask", [in_pool, in_reading_pool])
def test_a_full_pool_refuses_at_once_and_does_nothing_of_what_it_refuses(monkeypatch, ask):
    done = []

    async def act():
        with pytest.raises(Unavailable) as refused:
            await ask(done.append, 1)
        return refused.value.reason.code

    assert while_full(monkeypatch, act) == "API_FULL"
    assert done == []


def test_a_cancel_passes_while_the_pool_of_everything_else_is_full(monkeypatch):
    assert while_full(monkeypatch, lambda: asyncio.wait_for(in_cancel_pool(str, 7), 5)) == "7"


def test_room_comes_back_from_what_is_done_what_failed_and_what_nobody_waits_for_any_more(monkeypatch):
    proceed = threading.Event()

    async def run():
        running = asyncio.create_task(in_reading_pool(proceed.wait, 10))
        given_up = asyncio.create_task(in_reading_pool(str, 1))
        await asyncio.sleep(0.01)
        given_up.cancel()
        await asyncio.sleep(0.01)
        waiting = asyncio.create_task(in_reading_pool(str, 2))
        await asyncio.sleep(0.01)
        proceed.set()
        answers = [await running, await waiting]
        for _ in range(3):
            with pytest.raises(ValueError, match="invalid literal"):
                await in_pool(int, "x")
        return answers

    with small_pools(monkeypatch):
        assert asyncio.run(run()) == [True, "2"]


class Thing(APIView):
    """A resource that can be read."""

    authentication_classes = ()
    permission_classes = ()

    def get(self, request):
        """Answer."""
        return Response()


async def cancel(request):
    """Answer as what cancels does: on the threads of its own."""
    return HttpResponse(await in_cancel_pool(lambda: threading.current_thread().name))


def asked(view, method):
    """Return an awaitable answer of a resource."""
    request = HttpRequest()
    request.method, request.path = method, "/thing"
    request.META.update(SERVER_NAME="testserver", SERVER_PORT="80")
    return view(request)


def test_a_resource_tells_a_full_pool_as_503_and_when_to_come_again_but_still_cancels(monkeypatch):
    view = resource(Thing, delete=cancel)

    async def act():
        return await asked(view, "GET"), await asked(view, "DELETE")

    refused, cancelled = while_full(monkeypatch, act)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert b"API_FULL" in refused.content
    assert (cancelled.status_code, cancelled.content) == (200, b"test-cancel_0")
