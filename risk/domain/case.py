"""One order before its judges: what all rules need to know about it, worked out once."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

from risk.domain.types import Check, Limits, OrderIntent, PriceFacts, Snapshot, Verdict
from trading_portal.kernel.errors import Fact, Reason, reason
from trading_portal.kernel.money import AMOUNT_LIMIT, STORED_STEP, ZERO, to_tick

ONE = Decimal(1)
HUNDRED = Decimal(100)


class Case:
    """Hold an intent with its snapshot and limits, and what follows from them.

    `worst_price` is the most a unit may trade for: a market order is valued at the collar, a stop that becomes one at
    the collar beyond its stop, a sell at no less than the reference. `unit_fee` is what its venue may charge for that,
    `unit_cost` what a unit may need in all: of a sale the proceeds pay the fee. `notional` is the worst price for all
    units, in the account's currency. None means it cannot be known.
    """

    __slots__ = (
        "in_session",
        "intent",
        "is_buy",
        "is_dormant",
        "is_market",
        "is_reducing",
        "limits",
        "notional",
        "reference",
        "snapshot",
        "unit_cost",
        "unit_fee",
        "worst_price",
    )

    def __init__(self, intent: OrderIntent, snapshot: Snapshot, limits: Limits) -> None:
        self.intent = intent
        self.snapshot = snapshot
        self.limits = limits
        self.is_buy = intent.side == "buy"
        self.is_market = intent.order_type == "market"
        self.is_dormant = intent.is_dormant
        self.in_session = snapshot.is_open is True
        self.is_reducing = is_reducing(intent, snapshot)
        self.reference = usable_price(snapshot.price)
        self.worst_price = self._worst_price()
        self.unit_fee = self._unit_fee()
        self.unit_cost = self.worst_price
        if self.is_buy and self.worst_price is not None and self.unit_fee is not None:
            self.unit_cost = self.worst_price + self.unit_fee
        self.notional: Decimal | None = None
        if self.worst_price is not None and snapshot.rate is not None:
            self.notional = intent.quantity * self.worst_price * snapshot.rate

    def _worst_price(self) -> Decimal | None:
        if self.reference is None:
            return None
        price = self.intent.limit_price
        if price is not None:
            return price if self.is_buy else max(price, self.reference)
        if self.is_market:
            return self._collared(self.reference)
        starts_at = self.trigger
        if starts_at is None:
            return None
        # A sell that waits for a lower price trades at no more than today's.
        return self._collared(starts_at) if self.is_buy else max(starts_at, self.reference)

    def _collared(self, price: Decimal) -> Decimal | None:
        """Return how far beyond a price the collar lets an order trade."""
        collar = self.limits.get("price_collar")
        if collar is None:
            return None
        furthest = price * (ONE + collar.value)
        return to_tick(furthest, tick=self.intent.instrument.tick_at(furthest), rounding=ROUND_CEILING)

    @property
    def trigger(self) -> Decimal | None:
        """Return the price at which a stop becomes an order: a trailing one's as the market stands now."""
        intent = self.intent
        if intent.stop_price is not None:
            return intent.stop_price
        if self.reference is None:
            return None
        trail = intent.trail_price
        if trail is None:
            trail = self.reference * (intent.trail_percent or ZERO) / HUNDRED
        return self.reference + trail if self.is_buy else self.reference - trail

    def _unit_fee(self) -> Decimal | None:
        intent = self.intent
        if self.worst_price is None:
            return None
        if not intent.fee_rate and not intent.fee_per_unit:
            return ZERO
        # A rebate may or may not come: only what a venue takes is counted on.
        fee = self.worst_price * intent.fee_rate + intent.fee_per_unit
        return to_tick(max(ZERO, fee), tick=STORED_STEP, rounding=ROUND_CEILING)

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
        return max(ZERO, self.intent.quantity - self.available)

    @property
    def available(self) -> Decimal:
        """Return how many units are held and not yet on sale."""
        return max(ZERO, self.snapshot.holding - self.snapshot.working_sell)

    @property
    def may_short(self) -> bool:
        """Tell whether the account and the instrument may be short."""
        return self.snapshot.may_short and self.intent.instrument.is_shortable

    @property
    def is_short_sale(self) -> bool:
        """Tell whether a sell delivers what is not held."""
        return not self.is_buy and self.intent.quantity > self.available


def usable_price(price: PriceFacts | None) -> Decimal | None:
    """Return the reference price when numbers can be made with it and its age."""
    if price is None or not price.reference.is_finite() or not price.age.is_finite():
        return None
    return price.reference if 0 < price.reference < AMOUNT_LIMIT else None


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
