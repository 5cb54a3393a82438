"""Place, cancel, send and record orders."""

from orders.services.cancelling import (
    order_cancel,
    orders_cancel,
    orders_cancel_all,
    orders_cancel_killed,
)
from orders.services.executions import executions_record
from orders.services.expiring import orders_expire_due
from orders.services.leasing import lease_acquire, lease_release, lease_renew
from orders.services.placing import orders_place
from orders.services.reapplying import parked_reports_apply
from orders.services.reconciling import drop_copy_compared
from orders.services.repairing import groups_repair
from orders.services.replacing import order_replace, orders_replace
from orders.services.sending import orders_unknown_mark, sends_retry, venue_claim
from orders.services.waking import venue_waker_set

__all__ = [
    "drop_copy_compared",
    "executions_record",
    "groups_repair",
    "lease_acquire",
    "lease_release",
    "lease_renew",
    "order_cancel",
    "order_replace",
    "orders_cancel",
    "orders_cancel_all",
    "orders_cancel_killed",
    "orders_expire_due",
    "orders_place",
    "orders_replace",
    "orders_unknown_mark",
    "parked_reports_apply",
    "sends_retry",
    "venue_claim",
    "venue_waker_set",
]
