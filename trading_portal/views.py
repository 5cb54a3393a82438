"""Say whether this process can do its work."""

from __future__ import annotations

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from redis.exceptions import RedisError


def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when the database and Redis answer, 503 with what does not."""
    parts = {"database": "ok", "redis": "ok"}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        parts["database"] = "does not answer"
    try:
        cache.get("healthz")
    except (RedisError, OSError):
        parts["redis"] = "does not answer"
    return JsonResponse(parts, status=200 if set(parts.values()) == {"ok"} else 503)
