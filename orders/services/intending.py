"""Say to risk what somebody wants, the same for what is placed, previewed or replaced."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from accounts.domain.types import AccountFacts
from marketdata.domain.types import Hours, InstrumentFacts, Session
from orders.brokers.registry import venue_fees
from orders.domain.commands import OrderFields
from orders.domain.types import OrderClass, OrderType, TimeInForce
from risk.domain.types import OrderIntent

_AUCTIONS = {TimeInForce.OPG: Hours.OPENING, TimeInForce.CLS: Hours.CLOSING}


def hours_of(fields: OrderFields) -> Hours:
    """Return the hours that an order is for."""
    if fields.extended_hours:
        return Hours.EXTENDED
    return _AUCTIONS.get(fields.time_in_force, Hours.REGULAR)


def _exit_stop(fields: OrderFields) -> Decimal | None:
    """Return the stop of an exit that is measured at the market, not at its order's own price."""
    is_at_market = fields.order_type is OrderType.MARKET or fields.order_class is OrderClass.OCO
    return fields.stop_loss.stop_price if fields.stop_loss and is_at_market else None


def intent_of(
    fields: OrderFields,
    *,
    order_id: UUID,
    account: AccountFacts,
    instrument: InstrumentFacts,
    session: Session,
    venue: str,
    placed_at: datetime,
    is_venue_available: bool = True,
) -> OrderIntent:
    """Return what risk is to judge of an order in the session that it is for."""
    fee_rate, fee_per_unit = venue_fees(venue)
    return OrderIntent(
        order_id=order_id,
        account_id=account.id,
        owner_id=account.owner_id,
        instrument=instrument,
        side=fields.side.value,
        order_type=fields.order_type.value,
        time_in_force=fields.time_in_force.value,
        quantity=fields.quantity,
        limit_price=fields.limit_price,
        stop_price=fields.stop_price,
        placed_at=placed_at,
        base_currency=account.base_currency,
        venue=venue,
        is_venue_available=is_venue_available,
        notional=fields.notional,
        trail_price=fields.trail_price,
        trail_percent=fields.trail_percent,
        extended_hours=fields.extended_hours,
        closes_only=fields.closes_only,
        exit_stop=_exit_stop(fields),
        is_plain=fields.order_class is OrderClass.SIMPLE and fields.schedule is None,
        is_on_time=session.is_accepting,
        fee_rate=fee_rate,
        fee_per_unit=fee_per_unit,
    )
