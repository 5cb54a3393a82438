"""The words of an order: types, times in force, states and intents."""

from __future__ import annotations

from enum import StrEnum


class OrderType(StrEnum):
    """Say how an order prices itself (FIX 40)."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


STOPS = frozenset((OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP))
"""Types that wait unseen until the market reaches their stop."""


class TimeInForce(StrEnum):
    """Say how long an order works (FIX 59)."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    OPG = "opg"
    CLS = "cls"


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
