"""Write accounts and positions as Alpaca's, with ours beside."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from accounts.domain.types import AccountFacts
from marketdata.api.shapes import EXCHANGES
from positions.domain.shapes import account_json, text
from positions.domain.valuation import AccountSummary
from trading_portal.kernel.money import stored

NOTHING = "0"
MAINTENANCE = Decimal("1.3")


def trade_account_json(
    account: AccountFacts, summary: AccountSummary, *, is_trading_blocked: bool
) -> dict[str, object]:
    """Return an account: it lends nothing, so every buying power is the same; what is short holds margin.

    `maintenance_margin` of a short position is 130% of its worth (FINRA 4210), where 150% are held.
    """
    money = account_json(summary)
    is_active = account.status == "ACTIVE"
    status = "ACTIVE" if is_active else "ACCOUNT_CLOSED"
    return {
        **money,
        "id": str(account.id),
        "account_number": account.number,
        "name": account.name,
        "status": status,
        "crypto_status": status,
        "currency": account.base_currency,
        "regt_buying_power": money["buying_power"],
        "daytrading_buying_power": NOTHING,
        "non_marginable_buying_power": money["buying_power"],
        "options_buying_power": NOTHING,
        "portfolio_value": money["equity"],
        "accrued_fees": NOTHING,
        "pending_transfer_in": NOTHING,
        "pending_transfer_out": NOTHING,
        "initial_margin": money["short_margin"],
        "maintenance_margin": text(_maintenance(summary)),
        "last_maintenance_margin": NOTHING,
        "sma": NOTHING,
        "multiplier": "1",
        "daytrade_count": 0,
        "pattern_day_trader": False,
        "trading_blocked": is_trading_blocked or not is_active,
        "transfers_blocked": not is_active,
        "account_blocked": not is_active,
        "trade_suspended_by_user": False,
        "shorting_enabled": account.may_short,
        "paper": account.is_paper,
    }


def _maintenance(summary: AccountSummary) -> Decimal | None:
    return None if summary.short_market_value is None else stored(-summary.short_market_value * MAINTENANCE)


def alpaca_position_json(position: Mapping[str, object]) -> Mapping[str, object]:
    """Return a position with an exchange that SDKs know."""
    return position if position["exchange"] in EXCHANGES else {**position, "exchange": ""}
