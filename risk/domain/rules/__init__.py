"""Every rule, in the order in which reasons are told; a new one is a class of its own and a line here."""

from __future__ import annotations

from risk.domain.rules.base import Rule
from risk.domain.rules.exposure import BuyingPower, Concentration, MaxPosition, ShortValue
from risk.domain.rules.market import ExitStopSide, NoSelfTrade, NotHalted, SessionOpen, StopSide
from risk.domain.rules.pace import DuplicateOrder, MaxOpenOrders, OrderRate
from risk.domain.rules.permission import (
    AccountOpen,
    ClosesOnly,
    KillSwitchOff,
    ShortSale,
    Tradable,
    TradingActive,
    VenueAvailable,
)
from risk.domain.rules.price import PriceCollar, StalePrice
from risk.domain.rules.size import MaxNotional, MaxQuantity
from risk.domain.rules.structural import LotSize, TickSize, WellFormed
from risk.domain.sizing import SIZING

WELL_FORMED = WellFormed()

RULES: tuple[Rule, ...] = (
    KillSwitchOff(),
    VenueAvailable(),
    TradingActive(),
    AccountOpen(),
    Tradable(),
    NotHalted(),
    SessionOpen(),
    LotSize(),
    TickSize(),
    StalePrice(),
    StopSide(),
    ExitStopSide(),
    PriceCollar(),
    MaxQuantity(),
    MaxNotional(),
    BuyingPower(),
    MaxPosition(),
    Concentration(),
    ShortSale(),
    ShortValue(),
    ClosesOnly(),
    OrderRate(),
    DuplicateOrder(),
    MaxOpenOrders(),
    NoSelfTrade(),
)

LABELS = {rule.name: rule.label for rule in (WELL_FORMED, *RULES)} | {"basket": "Basket", SIZING: "Amount"}
