"""One order before its judges: what all rules need to know about it, worked out once."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

from risk.domain.types import Check, Limits, OrderIntent, PriceFacts, Snapshot, Verdict
from trading_portal.kernel.errors import Fact, Reason, reason
from trading_portal.kernel.money import ZERO, to_tick

ONE = Decimal(1)
PRICE_CEILING = Decimal(10) ** 15


class Case:
    """Hold an intent with its snapshot and limits, and what follows from them.

    `worst_price` is the most a unit may trade for: a market order is valued at the collar, a sell at no less than
    the reference. `notional` is that, for all units, in the account's currency. None means it cannot be known.
    """

    __slots__ = (
        "in_session",
        "intent",
        "is_buy",
        "is_market",
        "is_reducing",
        "limits",
        "notional",
        "reference",
        "snapshot",
        "worst_price",
    )

    def __init__(self, intent: OrderIntent, snapshot: Snapshot, limits: Limits) -> None:
        self.intent = intent
        self.snapshot = snapshot
        self.limits = limits
        self.is_buy = intent.side == "buy"
        self.is_market = intent.order_type == "market"
        self.in_session = snapshot.is_open is True
        self.is_reducing = is_reducing(intent, snapshot)
        self.reference = usable_price(snapshot.price)
        self.worst_price = self._worst_price()
        self.notional: Decimal | None = None
        if self.worst_price is not None and snapshot.rate is not None:
            self.notional = intent.quantity * self.worst_price * snapshot.rate

    def _worst_price(self) -> Decimal | None:
        if self.reference is None:
            return None
        if self.is_market:
            collar = self.limits.get("price_collar")
            if collar is None:
                return None
            furthest = self.reference * (ONE + collar.value)
            return to_tick(furthest, tick=self.intent.instrument.tick_size, rounding=ROUND_CEILING)
        price = self.intent.limit_price
        if price is None:
            return None
        return price if self.is_buy else max(price, self.reference)

    @property
    def unknown(self) -> Reason:
        """Return why the notional is not known."""
        if self.reference is None:
            return reason("PRICE_MISSING", symbol=self.intent.instrument.symbol)
        if self.worst_price is None:
            return reason("LIMIT_MISSING", rule="price_collar")
        return reason("NO_RATE", currency=self.intent.instrument.currency, base=self.intent.base_currency)

    @property
    def short_quantity(self) -> Decimal:
        """Return how many units a sell goes beyond what is held and not yet on sale."""
        if self.is_buy:
            return ZERO
        return max(ZERO, self.intent.quantity - max(ZERO, self.snapshot.holding - self.snapshot.working_sell))


def usable_price(price: PriceFacts | None) -> Decimal | None:
    """Return the reference price when numbers can be made with it and its age."""
    if price is None or not price.reference.is_finite() or not price.age.is_finite():
        return None
    return price.reference if 0 < price.reference < PRICE_CEILING else None


def is_reducing(intent: OrderIntent, snapshot: Snapshot) -> bool:
    """Tell whether an order can only bring a position nearer to nothing, whatever else is working fills.

    A replace that leaves less at stake than its order has now counts as one.
    """
    if intent.is_decreasing:
        return True
    if intent.side == "sell":
        return snapshot.holding - snapshot.working_sell >= intent.quantity
    return -snapshot.holding - snapshot.working_buy >= intent.quantity


def breached(rule: str, code: str, /, **facts: Fact) -> Check:
    """Return a check that refuses."""
    return Check(rule, Verdict.BREACHED, code=code, facts=facts)


def breached_by(rule: str, why: Reason) -> Check:
    """Return a check that refuses for a reason already at hand."""
    return Check(rule, Verdict.BREACHED, code=why.code, facts=why.facts)
