"""Control 25: what leaves is what was approved."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Leaving:
    """An order about to be sent; one without a decision of its own leaves on its parent's.

    `quantity` None is an exit's, which follows what its parent filled.
    """

    order_id: UUID
    parent_id: UUID | None
    account_id: UUID
    instrument_id: UUID
    quantity: Decimal | None
    limit_price: Decimal | None
