"""What the log says about money that was not made by trading."""

from __future__ import annotations

from typing import ClassVar

from audit.domain.types import EventPayload


class CashPosted(EventPayload, frozen=True, kw_only=True):
    """Money was paid in (amount > 0) or out; amounts are plain decimals."""

    TYPE: ClassVar[str] = "cash.posted"
    transaction_id: str
    currency: str
    amount: str
    balance_after: str
    reason: str
