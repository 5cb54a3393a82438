"""Run blocking work of the API on threads that keep their database connection.

Django runs a sync view of an ASGI server on a thread of the request's own, which opens a connection and closes it
again: several milliseconds for a read of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from rest_framework.views import APIView

from accounts.api.gathering import reconnecting

THREADS = 8
_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="api")

A = TypeVar("A")
T = TypeVar("T")
AsyncView = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


async def in_pool(work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Return what blocking work returns; a connection that broke since the last work is replaced first."""

    def run() -> T:
        close_old_connections()
        return work(*args, **kwargs)

    return await sync_to_async(run, thread_sensitive=False, executor=_pool)()


async def in_reading_pool(read: Callable[[A], T], asked: A) -> T:
    """Return what a read returns; it may be read twice, so a connection is only replaced where it proves broken."""
    return await asyncio.get_running_loop().run_in_executor(_pool, reconnecting, read, asked)


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
        command = commands.get((request.method or "").lower())
        return await (command(request, **kwargs) if command else in_pool(answered, request, **kwargs))

    vars(dispatch).update(cls=view, initkwargs={})
    return csrf_exempt(dispatch)
