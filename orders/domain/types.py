"""The words of an order: types and times in force, which risk judges by as well, classes, states and intents."""

from __future__ import annotations

from enum import StrEnum

from risk.domain.words import (
    AUCTIONS,
    PLAIN_TYPES,
    RESTING_TIMES,
    STOPS,
    WITH_LIMIT,
    WITH_STOP,
    OrderType,
    TimeInForce,
)

__all__ = [
    "AUCTIONS", "PLAIN_TYPES", "RESTING_TIMES", "STOPS", "WITH_LIMIT", "WITH_STOP", "Algorithm", "BaseState",
    "IntentKind", "IntentState", "Leg", "OrderClass", "OrderType", "PendingOperation", "TimeInForce",
]  # fmt: skip


class OrderClass(StrEnum):
    """Say how an order is bound to others: alone, or with legs that end each other."""

    SIMPLE = "simple"
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"


class Leg(StrEnum):
    """Say what an order is to the one it hangs on: nothing, or which of its exits."""

    NONE = ""
    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"


class Algorithm(StrEnum):
    """Say how a parent order is worked over time."""

    TWAP = "twap"
    VWAP = "vwap"


class BaseState(StrEnum):
    """The state of an order apart from any pending operation (FIX 39)."""

    ACCEPTED = "accepted"
    HELD = "held"
    PENDING_NEW = "pending_new"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    DONE_FOR_DAY = "done_for_day"
    CALCULATED = "calculated"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPLACED = "replaced"


class PendingOperation(StrEnum):
    """What has been asked of the venue and not yet answered: at most one."""

    NONE = "none"
    CANCEL = "cancel"
    REPLACE = "replace"


class IntentKind(StrEnum):
    """What a venue is to be told (FIX 35=D, F, G)."""

    SUBMIT = "submit"
    CANCEL = "cancel"
    REPLACE = "replace"


class IntentState(StrEnum):
    """Where a message to a venue stands; `dropped` was never sent."""

    DUE = "due"
    SENT = "sent"
    SETTLED = "settled"
    DROPPED = "dropped"
