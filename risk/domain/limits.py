"""What a limit may be, and which way is tighter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from trading_portal.kernel.money import AMOUNT_LIMIT, parse

WHOLE = frozenset({"order_rate", "max_open_orders"})
LONGER_IS_TIGHTER = frozenset({"duplicate_window"})
ONE_FOR_ALL_INSTRUMENTS = frozenset({"order_rate"})
CEILINGS = {
    "price_collar": Decimal(1),
    "concentration": Decimal(1),
    "duplicate_window": Decimal(86_400),
    "stale_price": Decimal(3_600),
    "order_rate": Decimal(1_000_000),
    "max_open_orders": Decimal(1_000_000),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What a limit says: a value, and whether the rule is on."""

    value: Decimal
    is_enforced: bool = True


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A limit as it stands."""

    id: UUID
    rule: str
    account_id: UUID | None
    instrument_id: UUID | None
    setting: Setting
    version: int
    temporary_until: datetime | None


def value_parse(rule: str, text: object) -> Decimal | None:
    """Return the value that a plain number says for a rule, or None when the rule cannot have it."""
    value = parse(text)
    if value is None or value < 0 or value > CEILINGS.get(rule, AMOUNT_LIMIT) or value >= AMOUNT_LIMIT:
        return None
    return None if rule in WHOLE and value != value.to_integral_value() else value


def is_loosening(rule: str, before: Setting, after: Setting) -> bool:
    """Tell whether a change lets anything through that was held before: off is loosest, a value counts even then."""
    if before.is_enforced and not after.is_enforced:
        return True
    return after.value < before.value if rule in LONGER_IS_TIGHTER else after.value > before.value


def is_loosening_any(rule: str, shadowed: Iterable[Setting], after: Setting) -> bool:
    """Tell whether a new, narrower limit loosens any that it takes the place of; where none is, nothing was allowed."""
    settings = list(shadowed)
    return not settings or any(is_loosening(rule, before, after) for before in settings)


def tighter(rule: str, one: Setting, other: Setting) -> Setting:
    """Return what holds at least as much as both."""
    pick = max if rule in LONGER_IS_TIGHTER else min
    return Setting(pick(one.value, other.value), one.is_enforced or other.is_enforced)
