"""Say what an order would cost and leave behind, were it approved and filled at its worst price."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from risk.domain.records import CheckShown, decision_checks
from risk.domain.types import Decision
from trading_portal.kernel.errors import Reason
from trading_portal.kernel.money import ZERO, multiply, stored


@dataclass(frozen=True, slots=True)
class Preview:
    """What a check would say, and what the order would do; money in the account's currency, None when not known.

    `slippage` is how much worse than mid a fill at the touch would be, in all. Fees are the venue's to say.
    """

    decision: Decision
    checks: list[CheckShown]
    reasons: tuple[Reason, ...]
    approved: bool
    notional: Decimal | None
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
    notional = _money(intent.quantity, decision.worst_price, snapshot.rate)
    free = stored(snapshot.cash - snapshot.reserved) if snapshot.rate is not None else None
    is_buy = intent.side == "buy"
    quantity = intent.quantity if is_known else ZERO
    return Preview(
        decision=decision,
        checks=decision_checks(decision),
        reasons=decision.reasons,
        approved=decision.approved,
        notional=notional,
        worst_price=decision.worst_price,
        reference_price=decision.reference_price,
        price_age=snapshot.price.age if snapshot.price else None,
        slippage=_slippage(decision),
        buying_power=free,
        buying_power_after=None if free is None or notional is None else free - notional if is_buy else free,
        position=snapshot.holding,
        position_after=snapshot.holding + (quantity if is_buy else -quantity),
    )


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
    limit = intent.limit_price
    is_resting = limit is not None and (limit < touch if intent.side == "buy" else limit > touch)
    return ZERO if is_resting else _money(intent.quantity, (price.ask - price.bid) / 2, rate)
