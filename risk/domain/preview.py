"""Say what an order would cost and leave behind, were it approved and filled at its worst price."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from positions.domain.buying_power import cash_needed
from risk.domain.records import CheckShown, decision_checks
from risk.domain.types import Decision
from trading_portal.kernel.errors import Reason
from trading_portal.kernel.money import ZERO, multiply, stored

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a check would say, and what the order would do; money in the account's currency, None when not known.

    `quantity` is what an order for an amount came to. `slippage` is how much worse than mid a fill at the touch would
    be, in all; `fees` are those of the worst price, in the instrument's currency.
    """

    decision: Decision
    checks: list[CheckShown]
    reasons: tuple[Reason, ...]
    approved: bool
    quantity: Decimal
    notional: Decimal | None
    fees: Decimal | None
    worst_price: Decimal | None
    reference_price: Decimal | None
    price_age: Decimal | None
    slippage: Decimal | None
    buying_power: Decimal | None
    buying_power_after: Decimal | None
    position: Decimal
    position_after: Decimal


def preview_of(decision: Decision) -> Preview:
    """Return a decision as a ticket shows it before the order is sent."""
    intent, snapshot = decision.intent, decision.snapshot
    is_known = decision.worst_price is not None and snapshot.rate is not None
    is_buy = intent.side == "buy"
    worst = decision.worst_price
    if worst is not None and is_buy:
        worst -= decision.unit_fee or ZERO
    notional = _money(intent.quantity, worst, snapshot.rate)
    fees = _money(intent.quantity, decision.unit_fee, ONE)
    free = needed = None
    if snapshot.rate is not None and snapshot.margin is not None:
        free = stored(snapshot.cash - snapshot.reserved - snapshot.margin)
        needed = _needed(decision, snapshot.rate)
    quantity = intent.quantity if is_known else ZERO
    return Preview(
        decision=decision,
        checks=decision_checks(decision),
        reasons=decision.reasons,
        approved=decision.approved,
        notional=notional,
        quantity=intent.quantity,
        fees=fees,
        worst_price=worst,
        reference_price=decision.reference_price,
        price_age=snapshot.price.age if snapshot.price else None,
        slippage=_slippage(decision),
        buying_power=free,
        buying_power_after=None if free is None or needed is None else free - needed,
        position=snapshot.holding,
        position_after=snapshot.holding + (quantity if is_buy else -quantity),
    )


def _needed(decision: Decision, rate: Decimal) -> Decimal | None:
    """Return the cash that the order would hold: of a short sale its deposit, of an exit nothing."""
    intent, snapshot, worst = decision.intent, decision.snapshot, decision.worst_price
    if worst is None:
        return None
    sides = {"buys": ZERO, "buy_value": ZERO, "sells": ZERO, "sell_value": ZERO}
    if intent.side == "buy":
        sides |= {"buys": intent.quantity, "buy_value": intent.quantity * worst}
        return stored(cash_needed(min(ZERO, snapshot.holding + snapshot.working_buy), **sides) * rate)
    sides |= {"sells": intent.quantity, "sell_value": intent.quantity * worst}
    return stored(cash_needed(max(ZERO, snapshot.holding - snapshot.working_sell), **sides) * rate)


def _money(quantity: Decimal, price: Decimal | None, rate: Decimal | None) -> Decimal | None:
    if price is None or rate is None:
        return None
    return stored(multiply(multiply(quantity, price), rate))


def _slippage(decision: Decision) -> Decimal | None:
    """Return the cost against mid of trading at the touch, for an order that would; None without a quote."""
    intent, price, rate = decision.intent, decision.snapshot.price, decision.snapshot.rate
    if price is None or price.bid is None or price.ask is None or rate is None or decision.worst_price is None:
        return None
    touch = price.ask if intent.side == "buy" else price.bid
    if intent.is_dormant:
        return ZERO
    limit = intent.limit_price
    is_resting = limit is not None and (limit < touch if intent.side == "buy" else limit > touch)
    return ZERO if is_resting else _money(intent.quantity, (price.ask - price.bid) / 2, rate)
