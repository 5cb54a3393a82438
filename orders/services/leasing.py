"""Let one worker at a time speak to a venue, by a row that the database's own clock judges."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from audit.sql import execute, fetch, pipelined, require_transaction
from orders.domain.errors import LeaseLost

LEASE_SECONDS: float = settings.VENUE_LEASE_SECONDS

# Whoever relies on a fence holds this lock shared until it commits; whoever takes the lease over, alone. A queue, not
# a row lock: readers that come one after the other would keep a row lock from its own holder's renewals.
_HOLD = "SELECT pg_advisory_xact_lock_shared(hashtextextended('venue-lease ' || %s, 0))"
_TAKE_OVER = "SELECT pg_advisory_xact_lock(hashtextextended('venue-lease ' || %s, 0))"
_WAIT_BRIEFLY = "SELECT set_config('lock_timeout', '3s', true)"
_IS_FREE = """
SELECT NOT EXISTS (SELECT 1 FROM orders_venuelease
                   WHERE venue = %s AND expires_at > clock_timestamp() AND holder <> %s)
"""
_ACQUIRE = """
INSERT INTO orders_venuelease AS lease (venue, holder, fence, renewed_at, expires_at, drop_copy_id)
VALUES (%(venue)s, %(holder)s, 1, clock_timestamp(), clock_timestamp() + %(seconds)s * interval '1 second', 0)
ON CONFLICT (venue) DO UPDATE SET
    holder = excluded.holder, fence = lease.fence + 1, renewed_at = clock_timestamp(),
    expires_at = clock_timestamp() + %(seconds)s * interval '1 second'
WHERE lease.expires_at <= clock_timestamp() OR lease.holder = excluded.holder
RETURNING lease.fence
"""
_RENEW = """
UPDATE orders_venuelease
SET renewed_at = clock_timestamp(), expires_at = clock_timestamp() + %s * interval '1 second'
WHERE venue = %s AND holder = %s AND fence = %s AND expires_at > clock_timestamp()
"""
_RELEASE = """
UPDATE orders_venuelease SET renewed_at = least(renewed_at, clock_timestamp()), expires_at = clock_timestamp()
WHERE venue = %s AND holder = %s AND fence = %s AND expires_at > clock_timestamp()
"""
_HELD = "SELECT fence, expires_at > clock_timestamp() FROM orders_venuelease WHERE venue = %s"


def lease_acquire(*, venue: str, holder: str, seconds: float = LEASE_SECONDS) -> int | None:
    """Take a venue's lease when it is free, expired or one's own, and return its new fence; None when it is held.

    Raise OperationalError when a transaction under the old fence does not end: then try again.
    """
    if not fetch(_IS_FREE, [venue, holder])[0][0]:
        return None  # a worker that stands by must not get in the way of the one that holds it
    with transaction.atomic():
        fetch(_WAIT_BRIEFLY)
        fetch(_TAKE_OVER, [venue])
        rows = fetch(_ACQUIRE, {"venue": venue, "holder": holder, "seconds": seconds})
    return rows[0][0] if rows else None


def lease_renew(*, venue: str, holder: str, fence: int, seconds: float = LEASE_SECONDS) -> bool:
    """Hold a lease for longer; False when it has expired or is another's: then stop at once."""
    return execute(_RENEW, [seconds, venue, holder, fence]) == 1


def lease_release(*, venue: str, holder: str, fence: int) -> bool:
    """Give a lease back, so that the next worker need not wait for it to expire."""
    return execute(_RELEASE, [venue, holder, fence]) == 1


def lease_require(*, venue: str, fence: int | None, must_last: bool = False) -> None:
    """Raise LeaseLost unless the fence is the venue's latest, and until the transaction ends keep it so.

    `must_last` asks in addition that the lease has not run out. None asks nothing: for venues without workers.
    """
    if fence is None:
        return
    require_transaction()
    with pipelined():
        execute(_HOLD, [venue])
        rows = fetch(_HELD, [venue])
    if not rows or rows[0][0] != fence or (must_last and not rows[0][1]):
        raise LeaseLost(venue, fence)
