"""The risk desk's pages, one module each."""

from risk.admin.breaches import BreachAdmin
from risk.admin.changes import ChangeRequestAdmin
from risk.admin.decisions import DecisionAdmin
from risk.admin.limits import LimitAdmin
from risk.admin.states import TradingAccountAdmin, TradingStateAdmin
from risk.admin.switches import KillSwitchAdmin

__all__ = [
    "BreachAdmin",
    "ChangeRequestAdmin",
    "DecisionAdmin",
    "KillSwitchAdmin",
    "LimitAdmin",
    "TradingAccountAdmin",
    "TradingStateAdmin",
]
