"""What one account has at stake in one instrument: holding and working orders, long and short."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from positions.domain.buying_power import cash_needed, part_of, short_margin
from positions.domain.types import Side, WorkingOrders
from risk.domain.types import Resting
from trading_portal.kernel.money import ZERO


@dataclass(slots=True)
class Stake:
    """What one account has and may still do in one instrument; of working orders the keenest of each kind."""

    currency: str = ""
    holding: Decimal = ZERO
    working_buy: Decimal = ZERO
    working_sell: Decimal = ZERO
    working_buy_value: Decimal = ZERO
    working_sell_value: Decimal = ZERO
    open_orders: int = 0
    best: dict[tuple[bool, bool], Resting] = field(default_factory=dict)

    def add(self, working: WorkingOrders) -> None:
        """Take in working orders."""
        is_buy = working.side is Side.BUY
        self.currency = working.currency
        self.open_orders += working.orders
        if is_buy:
            self.working_buy += working.quantity_left
            self.working_buy_value += working.value
        else:
            self.working_sell += working.quantity_left
            self.working_sell_value += working.value
        if working.is_dormant:
            return
        key = (is_buy, working.limit_price is None)
        standing = self.best.get(key)
        if standing is None or _is_keener(working.limit_price, standing.price, is_buy=is_buy):
            self.best[key] = Resting(working.keenest_id, working.limit_price)

    def resting(self, *, is_buy: bool) -> tuple[Resting, ...]:
        """Return the keenest working limit order and market order of a side."""
        found = (self.best.get((is_buy, False)), self.best.get((is_buy, True)))
        return tuple(order for order in found if order is not None)

    @property
    def short_sells(self) -> Decimal:
        """Return how many units open sells would go beyond what is held."""
        return max(ZERO, self.working_sell - max(ZERO, self.holding))

    @property
    def is_short(self) -> bool:
        """Tell whether it is short, or would be once its sells have filled."""
        return self.holding < 0 or self.short_sells > 0

    @property
    def cash_needed(self) -> Decimal:
        """Return the cash that its open orders need, beside the margin."""
        return cash_needed(
            self.holding,
            buys=self.working_buy,
            buy_value=self.working_buy_value,
            sells=self.working_sell,
            sell_value=self.working_sell_value,
        )

    def margin(self, price: Decimal | None) -> Decimal | None:
        """Return the cash that a short position holds at a price; None when there is no price for it."""
        if self.holding >= 0:
            return ZERO
        return None if price is None else short_margin(self.holding, price)

    def short_value(self, price: Decimal | None) -> Decimal | None:
        """Return what is sold short, open sells included; None when there is no price for it."""
        if self.holding < 0 and price is None:
            return None
        held = -self.holding * price if self.holding < 0 and price is not None else ZERO
        return held + part_of(self.working_sell_value, self.short_sells, self.working_sell)


def _is_keener(price: Decimal | None, standing: Decimal | None, *, is_buy: bool) -> bool:
    if price is None or standing is None:
        return False
    return price > standing if is_buy else price < standing
