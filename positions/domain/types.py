"""The facts that money and holdings are made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec


class Side(StrEnum):
    """Say which way (FIX 54)."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """Return +1 for what adds to a holding, -1 for what takes from it."""
        return 1 if self is Side.BUY else -1


class Book(StrEnum):
    """Name the side of a ledger line: the account's cash, or where the money came from or went."""

    CASH = "cash"
    MARKET = "market"
    EXTERNAL = "external"
    FEES = "fees"


class FillFact(msgspec.Struct, frozen=True):
    """One fill as positions need it; quantity > 0, price > 0, fee in `currency` (negative is a rebate)."""

    execution_id: UUID
    order_id: UUID
    account_id: UUID
    instrument_id: UUID
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    currency: str
    executed_at: datetime


class FillOutcome(msgspec.Struct, frozen=True):
    """What one fill left behind; realised_pnl is this fill's own, before fees, in `currency`."""

    execution_id: UUID
    quantity_after: Decimal
    average_cost: Decimal
    realised_pnl: Decimal
    cash_after: Decimal
    currency: str


class NewReservation(msgspec.Struct, frozen=True):
    """What one accepted order may spend or deliver; price is the worst one, for a market order the collar's."""

    order_id: UUID
    account_id: UUID
    instrument_id: UUID
    owner_id: UUID
    side: Side
    quantity_left: Decimal
    price: Decimal
    limit_price: Decimal | None
    currency: str
    is_dormant: bool = False


@dataclass(frozen=True, slots=True)
class HoldingFacts:
    """What an account holds of one instrument; a negative quantity is short."""

    instrument_id: UUID
    symbol: str
    currency: str
    quantity: Decimal
    average_cost: Decimal


@dataclass(frozen=True, slots=True)
class ReservationFacts:
    """What one open order may still spend or deliver."""

    order_id: UUID
    instrument_id: UUID
    owner_id: UUID
    side: Side
    quantity_left: Decimal
    price: Decimal
    limit_price: Decimal | None
    currency: str


@dataclass(frozen=True, slots=True)
class WorkingOrders:
    """What the open orders of one side of an instrument add up to, limit, market and stop orders apart.

    `value` is the sum of quantity times worst price; `keenest_id` names the order of the best `limit_price` for others
    to trade with (the highest of buys, the lowest of sells; None for market orders).
    """

    instrument_id: UUID
    side: Side
    currency: str
    orders: int
    quantity_left: Decimal
    value: Decimal
    keenest_id: UUID
    limit_price: Decimal | None
    is_dormant: bool = False


@dataclass(frozen=True, slots=True)
class AccountExposure:
    """What an account has and what its open orders may still do to it."""

    account_id: UUID
    cash: dict[str, Decimal]
    holdings: dict[UUID, HoldingFacts]
    working: list[WorkingOrders]
