"""A flag in Redis for each venue: its host has been asked to look, and has not yet found everything done."""

from __future__ import annotations

import structlog
from django.conf import settings
from redis import Redis, RedisError

FLAG_SECONDS = 2
REDIS_SECONDS = 1.0
log = structlog.get_logger(__name__)


class WakeFlags:
    """Raise and lower flags; one that nobody lowers falls by itself."""

    def __init__(self) -> None:
        self._redis = Redis.from_url(
            settings.REDIS_URL, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
        )

    def hoist(self, venue: str) -> bool:
        """Raise a venue's flag; tell whether it was down. Raise RedisError when nobody can tell."""
        return bool(self._redis.set(_name(venue), 1, nx=True, ex=FLAG_SECONDS))

    def lower(self, venue: str) -> None:
        """Lower a venue's flag, so that whoever has something for it asks again."""
        try:
            self._redis.delete(_name(venue))
        except RedisError as error:
            log.warning("venue.flag_stays", venue=venue, error=str(error))


def _name(venue: str) -> str:
    return f"wake:{venue}"
