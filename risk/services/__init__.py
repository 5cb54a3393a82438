"""Check orders, store what was decided, and change what decides."""

from risk.services.breaches import breach_acknowledge
from risk.services.changes import change_approve, change_reject
from risk.services.checking import orders_check, orders_preview
from risk.services.limits import firm_defaults_ensure, limit_change, limit_create, limits_revert_due
from risk.services.recording import decisions_record, fingerprints_sweep
from risk.services.states import trading_state_set
from risk.services.switches import kill_switch_latch, kill_switch_release_propose

__all__ = [
    "breach_acknowledge",
    "change_approve",
    "change_reject",
    "decisions_record",
    "fingerprints_sweep",
    "firm_defaults_ensure",
    "kill_switch_latch",
    "kill_switch_release_propose",
    "limit_change",
    "limit_create",
    "limits_revert_due",
    "orders_check",
    "orders_preview",
    "trading_state_set",
]
