"""Run blocking work of the API on threads that keep their database connection.

Django runs a sync view of an ASGI server on a thread of the request's own, which opens a connection and closes it
again: several milliseconds for a read of one.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from rest_framework.views import APIView

from accounts.api.errors import problem_of, problem_response
from accounts.api.gathering import reconnecting, too_many
from trading_portal.kernel.errors import Unavailable

THREADS = 8
CANCEL_THREADS = 4
CAPACITY = 1_000

A = TypeVar("A")
T = TypeVar("T")
AsyncView = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


class BoundedPool(ThreadPoolExecutor):
    """Threads for a limited number of works, those that wait for a thread among them; one more is refused."""

    def __init__(self, threads: int, *, name: str, capacity: int = CAPACITY) -> None:
        super().__init__(threads, thread_name_prefix=name)
        self._capacity = capacity
        self._held = 0
        self._counting = threading.Lock()

    def submit(self, work: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Let work wait for a thread; raise Unavailable when too much does, and nothing of it has happened then."""
        with self._counting:
            if self._held >= self._capacity:
                raise too_many("API_FULL")
            self._held += 1
        try:
            future = super().submit(work, *args, **kwargs)
        except BaseException:
            self._leave()
            raise
        # Also called for what is cancelled before it has a thread.
        future.add_done_callback(self._leave)
        return future

    def _leave(self, _: object = None) -> None:
        with self._counting:
            self._held -= 1


_pool = BoundedPool(THREADS, name="api")
# What reduces risk waits for nothing but its like: reads may fill the other pool.
_cancel_pool = BoundedPool(CANCEL_THREADS, name="cancel")


async def in_pool(work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Return what blocking work returns; a connection that broke since the last work is replaced first."""
    return await _in(_pool, work, *args, **kwargs)


async def in_cancel_pool(work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Return what blocking work returns that reduces risk, such as a cancel; it must be short, and wait for nobody."""
    return await _in(_cancel_pool, work, *args, **kwargs)


async def in_reading_pool(read: Callable[[A], T], asked: A) -> T:
    """Return what a read returns; it may be read twice, so a connection is only replaced where it proves broken."""
    return await asyncio.get_running_loop().run_in_executor(_pool, reconnecting, read, asked)


async def _in(pool: BoundedPool, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    def run() -> T:
        close_old_connections()
        return work(*args, **kwargs)

    return await sync_to_async(run, thread_sensitive=False, executor=pool)()


def resource(view: type[APIView], **commands: AsyncView) -> AsyncView:
    """Return the view of a REST resource: commands by method as plain async views, the rest on the pool.

    The OpenAPI document finds the resource's class on it.
    """
    handle = view.as_view()

    def answered(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        response: Any = handle(request, **kwargs)
        response.render()
        return HttpResponse(response.content, status=response.status_code, headers=response.headers)

    async def dispatch(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        if command := commands.get((request.method or "").lower()):
            return await command(request, **kwargs)
        try:
            return await in_pool(answered, request, **kwargs)
        except Unavailable as error:
            return problem_response(problem_of(error), request)

    vars(dispatch).update(cls=view, initkwargs={})
    return csrf_exempt(dispatch)
