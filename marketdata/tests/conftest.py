"""Give tests a hub of their own over the real Redis, and a way to publish to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
import redis.asyncio as redis
from django.conf import settings as django_settings

from marketdata.hub import Hub


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    found = Hub(django_settings.REDIS_URL)
    yield found
    await found.close()


@pytest.fixture
async def publish() -> AsyncIterator[Callable[..., Any]]:
    connection = redis.Redis.from_url(django_settings.REDIS_URL)

    async def send(channel: str, message: object) -> None:
        await connection.publish(channel, msgspec.json.encode(message))

    yield send
    await connection.aclose()
