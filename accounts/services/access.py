"""Tell of access that changed, for streams that are open to end at once."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import structlog
from django.db import transaction
from django_redis import get_redis_connection
from redis import Redis
from redis.exceptions import RedisError

from accounts.domain import access

log = structlog.get_logger(__name__)


def access_changed(*, person_id: UUID) -> None:
    """Have every process look, once this is committed, at what a person's open streams may show.

    Where Redis cannot carry that, nothing fails: each process asks by itself, some seconds later.
    """
    transaction.on_commit(partial(_tell, person_id), robust=True)


def _tell(person_id: UUID) -> None:
    try:
        client: Redis = get_redis_connection("default")
        client.publish(access.CHANNEL, access.people_write([person_id]))
    except RedisError as error:
        log.warning("access.not_told", person_id=str(person_id), error=repr(error))
