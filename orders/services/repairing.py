"""Come back to groups of orders in which something is still to do."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.services import accounts_lock
from audit.sql import fetch
from orders.services.groups import groups_follow
from orders.services.working import Journal, orders_locked

CHUNK = 500
# Groups of which one exit still works although something happened to another order: few, and mostly in order already.
_UNEVEN = """
SELECT root.id, root.account_id
FROM orders_order exit JOIN orders_order root ON root.id = coalesce(exit.parent_id, exit.id)
WHERE exit.order_class <> 'simple' AND (exit.leg <> '' OR exit.order_class = 'oco')
  AND NOT exit.is_closed AND exit.pending = 'none'
  AND (exit.base = 'held' AND NOT (root.base IN ('accepted', 'pending_new', 'new', 'partially_filled'))
       OR exit.base <> 'held' AND root.order_class <> 'oco' AND root.filled_quantity < exit.quantity
       OR EXISTS (SELECT 1 FROM orders_order other
                  WHERE (other.parent_id = root.id AND other.leg <> ''
                         OR other.id = root.id AND root.order_class = 'oco')
                    AND other.id <> exit.id AND (other.filled_quantity > 0 OR other.base = 'canceled')))
GROUP BY root.id ORDER BY root.id LIMIT %s
"""


def groups_repair(*, at: datetime, limit: int = CHUNK) -> int:
    """Do what the rules still ask of groups, and return how many orders moved: what a venue refused is asked again.

    Nothing else is left to do as a rule, for what follows from a move is stored with it.
    """
    with transaction.atomic():
        found = fetch(_UNEVEN, [limit])
        if not found:
            return 0
        locked = accounts_lock({account_id for _, account_id in found})
        roots = orders_locked([root for root, _ in found])
        journal = Journal(locked, at=at)
        followed = groups_follow(roots.values(), locked, journal, at=at)
        followed.write(at=at)
        journal.write()
    return len(followed.orders)
