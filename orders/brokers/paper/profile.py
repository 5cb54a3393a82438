"""How a paper venue behaves: how slow it is and what it charges."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from trading_portal.kernel.money import ZERO, stored


@dataclass(frozen=True, slots=True)
class PaperProfile:
    """Set a venue's delays (seconds) and fees (a share of the amount, and an amount for each unit).

    An order works for `resting` seconds before it may trade, so that people see it working.
    """

    latency: float = 0.003
    resting: float = 0.03
    fee_rate: Decimal = ZERO
    fee_per_unit: Decimal = ZERO

    def fee(self, *, quantity: Decimal, price: Decimal) -> Decimal:
        """Return what one fill costs, in the currency of its price."""
        return stored(quantity * price * self.fee_rate + quantity * self.fee_per_unit)
