"""Read orders and executions."""

from orders.selectors.executions import ExecutionFacts, executions_of_order, executions_recent
from orders.selectors.orders import (
    OrderQuery,
    order_by_client_order_id,
    order_by_id,
    orders_by_id,
    orders_list,
    orders_open,
    orders_open_ids,
    orders_recent,
)

__all__ = [
    "ExecutionFacts",
    "OrderQuery",
    "executions_of_order",
    "executions_recent",
    "order_by_client_order_id",
    "order_by_id",
    "orders_by_id",
    "orders_list",
    "orders_open",
    "orders_open_ids",
    "orders_recent",
]
