"""Read orders and executions."""

from orders.selectors.executions import ExecutionFacts, executions_of_order, executions_recent
from orders.selectors.orders import (
    legs_by_root,
    order_by_client_order_id,
    order_by_id,
    order_now,
    orders_by_id,
    orders_open,
    orders_open_ids,
    orders_recent,
)
from orders.selectors.venues import InFlight, drop_copy_position, intents_in_flight, venues_due
from orders.selectors.versions import orders_seen

__all__ = [
    "ExecutionFacts",
    "InFlight",
    "drop_copy_position",
    "executions_of_order",
    "executions_recent",
    "intents_in_flight",
    "legs_by_root",
    "order_by_client_order_id",
    "order_by_id",
    "order_now",
    "orders_by_id",
    "orders_open",
    "orders_open_ids",
    "orders_recent",
    "orders_seen",
    "venues_due",
]
