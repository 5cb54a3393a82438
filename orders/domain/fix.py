"""Say in FIX 4.4 what we say in words, and the other way round; both directions of the wire use it.

Sources: FIX 4.4 volume 6 (field types and values) and volume 4, appendix D.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Final

from orders.domain.reports import ReportKind, Restatement
from orders.domain.types import OrderType, TimeInForce
from positions.domain.types import Side
from trading_portal.kernel.money import parse, plain

BEGIN_STRING: Final = "FIX.4.4"
SOH: Final = "\x01"
CLIENT_ID_LIMIT: Final = 64


class MsgType(StrEnum):
    """Name the messages spoken here (FIX 35)."""

    HEARTBEAT = "0"
    TEST_REQUEST = "1"
    RESEND_REQUEST = "2"
    REJECT = "3"
    SEQUENCE_RESET = "4"
    LOGOUT = "5"
    EXECUTION_REPORT = "8"
    CANCEL_REJECT = "9"
    LOGON = "A"
    NEW_ORDER = "D"
    CANCEL = "F"
    REPLACE = "G"
    STATUS_REQUEST = "H"
    BUSINESS_REJECT = "j"
    MASS_CANCEL = "q"
    MASS_CANCEL_REPORT = "r"
    MASS_STATUS_REQUEST = "AF"


class Tag(IntEnum):
    """Name the fields spoken here."""

    ACCOUNT = 1
    AVG_PX = 6
    CL_ORD_ID = 11
    COMMISSION = 12
    COMM_TYPE = 13
    CUM_QTY = 14
    CURRENCY = 15
    EXEC_ID = 17
    EXEC_INST = 18
    EXEC_REF_ID = 19
    HANDL_INST = 21
    LAST_PX = 31
    LAST_QTY = 32
    MSG_SEQ_NUM = 34
    MSG_TYPE = 35
    NEW_SEQ_NO = 36
    ORDER_ID = 37
    ORDER_QTY = 38
    ORD_STATUS = 39
    ORD_TYPE = 40
    ORIG_CL_ORD_ID = 41
    POSS_DUP_FLAG = 43
    PRICE = 44
    REF_SEQ_NUM = 45
    SENDER_COMP_ID = 49
    SENDING_TIME = 52
    SIDE = 54
    SYMBOL = 55
    TARGET_COMP_ID = 56
    TEXT = 58
    TIME_IN_FORCE = 59
    TRANSACT_TIME = 60
    POSITION_EFFECT = 77
    RAW_DATA = 96
    POSS_RESEND = 97
    STOP_PX = 99
    EX_DESTINATION = 100
    CXL_REJ_REASON = 102
    ORD_REJ_REASON = 103
    ENCRYPT_METHOD = 98
    HEART_BT_INT = 108
    ORIG_SENDING_TIME = 122
    GAP_FILL_FLAG = 123
    EXPIRE_TIME = 126
    MISC_FEE_AMT = 137
    RESET_SEQ_NUM_FLAG = 141
    EXEC_TYPE = 150
    LEAVES_QTY = 151
    CASH_ORDER_QTY = 152
    SECONDARY_ORDER_ID = 198
    PEG_OFFSET_VALUE = 211
    TRADING_SESSION_ID = 336
    REF_TAG_ID = 371
    REF_MSG_TYPE = 372
    SESSION_REJECT_REASON = 373
    EXEC_RESTATEMENT_REASON = 378
    BUSINESS_REJECT_REF_ID = 379
    BUSINESS_REJECT_REASON = 380
    NO_TRADING_SESSIONS = 386
    EXPIRE_DATE = 432
    CXL_REJ_RESPONSE_TO = 434
    SECONDARY_EXEC_ID = 527
    MASS_CANCEL_REQUEST_TYPE = 530
    MASS_CANCEL_RESPONSE = 531
    MASS_CANCEL_REJECT_REASON = 532
    TOTAL_AFFECTED_ORDERS = 533
    USERNAME = 553
    PASSWORD = 554
    MASS_STATUS_REQ_ID = 584
    MASS_STATUS_REQ_TYPE = 585
    ORD_STATUS_REQ_ID = 790
    PEG_OFFSET_TYPE = 836
    TOT_NUM_REPORTS = 911
    LAST_RPT_REQUESTED = 912
    CANCEL_ON_DISCONNECT = 20001
    TELLS_ACCOUNT = 20002


SIDES: Final[Mapping[Side, str]] = {Side.BUY: "1", Side.SELL: "2"}
# A short sale is a sale here: what is held, and so what is short, follows from the position.
SIDE_WORDS: Final[Mapping[str, Side]] = {"1": Side.BUY, "2": Side.SELL, "5": Side.SELL, "6": Side.SELL}
SHORT_SALES: Final = frozenset(("5", "6"))

ORD_TYPES: Final[Mapping[OrderType, str]] = {
    OrderType.MARKET: "1",
    OrderType.LIMIT: "2",
    OrderType.STOP: "3",
    OrderType.STOP_LIMIT: "4",
    OrderType.TRAILING_STOP: "P",
}
TRAILING_STOP_PEG: Final = "a"
AUTOMATED: Final = "1"  # FIX 21: worked without a person in between
PEG_OFFSET_PRICE: Final = "0"
PEG_OFFSET_BASIS_POINTS: Final = "1"
BASIS_POINTS_PER_PERCENT: Final = Decimal(100)

TIMES_IN_FORCE: Final[Mapping[TimeInForce, str]] = {
    TimeInForce.DAY: "0",
    TimeInForce.GTC: "1",
    TimeInForce.OPG: "2",
    TimeInForce.IOC: "3",
    TimeInForce.FOK: "4",
    TimeInForce.CLS: "7",
}
GOOD_TILL_DATE: Final = "6"

# Status by the words of `orders.domain.states.status_of`; FIX has none for an order that was not routed yet.
ORD_STATUSES: Final[Mapping[str, str]] = {
    "accepted": "A",
    "held": "A",
    "pending_new": "A",
    "new": "0",
    "partially_filled": "1",
    "filled": "2",
    "done_for_day": "3",
    "canceled": "4",
    "replaced": "0",
    "pending_cancel": "6",
    "stopped": "7",
    "rejected": "8",
    "suspended": "9",
    "calculated": "B",
    "expired": "C",
    "pending_replace": "E",
}
OPEN_STATUSES: Final = frozenset("013679AE")  # done for the day (3) rests until tomorrow
STATUS_PENDING_NEW: Final = "A"
STATUS_REJECTED: Final = "8"
STATUS_CANCELED: Final = "4"


class ExecType(StrEnum):
    """Say what an execution report tells (FIX 150)."""

    NEW = "0"
    DONE_FOR_DAY = "3"
    CANCELED = "4"
    REPLACED = "5"
    PENDING_CANCEL = "6"
    STOPPED = "7"
    REJECTED = "8"
    SUSPENDED = "9"
    PENDING_NEW = "A"
    CALCULATED = "B"
    EXPIRED = "C"
    RESTATED = "D"
    PENDING_REPLACE = "E"
    TRADE = "F"
    TRADE_CORRECT = "G"
    TRADE_CANCEL = "H"
    ORDER_STATUS = "I"


REPORT_KINDS: Final[Mapping[str, ReportKind]] = {
    ExecType.NEW: ReportKind.NEW,
    ExecType.DONE_FOR_DAY: ReportKind.DONE_FOR_DAY,
    ExecType.CANCELED: ReportKind.CANCELED,
    ExecType.REPLACED: ReportKind.REPLACED,
    ExecType.PENDING_CANCEL: ReportKind.STATUS,
    ExecType.STOPPED: ReportKind.STOPPED,
    ExecType.REJECTED: ReportKind.REJECTED,
    ExecType.SUSPENDED: ReportKind.SUSPENDED,
    ExecType.PENDING_NEW: ReportKind.STATUS,
    ExecType.CALCULATED: ReportKind.CALCULATED,
    ExecType.EXPIRED: ReportKind.EXPIRED,
    ExecType.RESTATED: ReportKind.RESTATED,
    ExecType.PENDING_REPLACE: ReportKind.STATUS,
    ExecType.TRADE: ReportKind.TRADE,
    ExecType.TRADE_CORRECT: ReportKind.TRADE_CORRECT,
    ExecType.TRADE_CANCEL: ReportKind.TRADE_CANCEL,
    ExecType.ORDER_STATUS: ReportKind.STATUS,
}
EXEC_TYPES: Final[Mapping[ReportKind, ExecType]] = {
    ReportKind.NEW: ExecType.NEW,
    ReportKind.TRADE: ExecType.TRADE,
    ReportKind.CANCELED: ExecType.CANCELED,
    ReportKind.REJECTED: ExecType.REJECTED,
    ReportKind.EXPIRED: ExecType.EXPIRED,
    ReportKind.REPLACED: ExecType.REPLACED,
    ReportKind.DONE_FOR_DAY: ExecType.DONE_FOR_DAY,
    ReportKind.SUSPENDED: ExecType.SUSPENDED,
    ReportKind.RESTATED: ExecType.RESTATED,
    ReportKind.STOPPED: ExecType.STOPPED,
    ReportKind.CALCULATED: ExecType.CALCULATED,
    ReportKind.TRADE_CANCEL: ExecType.TRADE_CANCEL,
    ReportKind.TRADE_CORRECT: ExecType.TRADE_CORRECT,
    ReportKind.STATUS: ExecType.ORDER_STATUS,
}
# FIX 378; a halt that ends is "market (exchange) option".
RESTATEMENTS: Final[Mapping[str, Restatement]] = {
    "0": Restatement.SPLIT,
    "1": Restatement.RENEWAL,
    "8": Restatement.RELEASE,
}
RESTATEMENT_REASONS: Final[Mapping[Restatement, str]] = {word: code for code, word in RESTATEMENTS.items()}

CANCEL_REJECTED_TO: Final[Mapping[str, ReportKind]] = {
    "1": ReportKind.CANCEL_REJECTED,
    "2": ReportKind.REPLACE_REJECTED,
}
CANCEL_REJECTS: Final[Mapping[str, str]] = {
    "0": "TOO_LATE",
    "1": "UNKNOWN_ORDER",
    "2": "VENUE_OPTION",
    "3": "ALREADY_PENDING",
    "6": "DUPLICATE_CLIENT_ORDER_ID",
    "99": "OTHER",
}
ORDER_REJECTS: Final[Mapping[str, str]] = {
    "0": "VENUE_OPTION",
    "1": "UNKNOWN_SYMBOL",
    "2": "EXCHANGE_CLOSED",
    "3": "ORDER_EXCEEDS_LIMIT",
    "4": "TOO_LATE",
    "5": "UNKNOWN_ORDER",
    "6": "DUPLICATE_ORDER",
    "8": "STALE_ORDER",
    "11": "UNSUPPORTED_ORDER_CHARACTERISTIC",
    "13": "INCORRECT_QUANTITY",
    "15": "UNKNOWN_ACCOUNT",
    "99": "OTHER",
}
ALL_ORDERS: Final = "7"  # FIX 585
REJECTED_UNKNOWN_ORDER: Final = "5"
REJECTED_DUPLICATE: Final = "6"

_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)", re.ASCII)
_TIMESTAMP = re.compile(r"([0-9]{8})-([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?", re.ASCII)
_DATE = re.compile(r"[0-9]{8}", re.ASCII)
_LEAP_SECOND = 60


def decimal_to_fix(value: Decimal) -> str:
    """Return a number as FIX writes it: no exponent, no needless zeros."""
    return plain(value)


def decimal_from_fix(text: str | None) -> Decimal | None:
    """Return the number a FIX float says, or None when it is none or has more digits than are kept."""
    if text is None or not _NUMBER.fullmatch(text):
        return None
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    whole, _, places = digits.partition(".")
    whole, places = whole.lstrip("0") or "0", places.rstrip("0")
    if whole == "0" and not places:
        return Decimal(0)
    return parse(f"{sign}{whole}.{places}" if places else sign + whole)


def time_to_fix(at: datetime) -> str:
    """Return an instant as a UTCTimestamp with milliseconds."""
    return at.astimezone(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


def time_from_fix(text: str | None) -> datetime | None:
    """Return the instant a UTCTimestamp says, or None; what is finer than a microsecond is cut off."""
    found = _TIMESTAMP.fullmatch(text or "")
    day = date_from_fix(found[1]) if found else None
    if not found or day is None:
        return None
    hours, minutes, seconds = int(found[2]), int(found[3]), int(found[4])
    microseconds = int((found[5] or "0").ljust(6, "0")[:6])
    if hours > 23 or minutes > 59 or seconds > _LEAP_SECOND:
        return None
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return midnight + timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=microseconds)


def date_from_fix(text: str | None) -> date | None:
    """Return the day a LocalMktDate says, or None."""
    if not _DATE.fullmatch(text or ""):
        return None
    try:
        return datetime.strptime(text or "", "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None


def time_in_force_to_fix(time_in_force: TimeInForce, *, good_till: datetime | None = None) -> str:
    """Return FIX 59; a gtc order with an end is good till that date, which 126 then says."""
    is_dated = time_in_force is TimeInForce.GTC and good_till is not None
    return GOOD_TILL_DATE if is_dated else TIMES_IN_FORCE[time_in_force]


def time_in_force_from_fix(code: str) -> TimeInForce | None:
    """Return what FIX 59 says, or None; good till date is gtc, its end in 126 or 432."""
    if code == GOOD_TILL_DATE:
        return TimeInForce.GTC
    return _TIME_WORDS.get(code)


def order_type_from_fix(code: str, exec_inst: str = "") -> OrderType | None:
    """Return what FIX 40 says, or None; a pegged order is only known here as a trailing stop (18=a)."""
    if code == ORD_TYPES[OrderType.TRAILING_STOP]:
        return OrderType.TRAILING_STOP if TRAILING_STOP_PEG in exec_inst.split() else None
    return _TYPE_WORDS.get(code)


_TIME_WORDS: Final = {code: word for word, code in TIMES_IN_FORCE.items()}
_TYPE_WORDS: Final = {code: word for word, code in ORD_TYPES.items()}
