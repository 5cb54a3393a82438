"""What the log says about money that was not made by trading."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from audit.domain.types import EventPayload


class CashPosted(EventPayload, frozen=True, kw_only=True):
    """Money was paid in (amount > 0) or out."""

    TYPE: ClassVar[str] = "cash.posted"
    transaction_id: str
    currency: str
    amount: Decimal
    balance_after: Decimal
    reason: str
