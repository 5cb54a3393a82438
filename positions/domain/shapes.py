"""Write positions and accounts as JSON-ready text; field names follow Alpaca's, then come ours."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from positions.domain.valuation import AccountSummary, PositionValue, share
from trading_portal.kernel.money import plain


def text(value: Decimal | None) -> str | None:
    """Return a number as a plain decimal string, and what is not known as None."""
    return None if value is None else plain(value)


def position_json(
    position: PositionValue, *, account_id: UUID, exchange: str, asset_class: str, available: Decimal
) -> dict[str, object]:
    """Return one position as the API and the pages send it."""
    holding, mark = position.holding, position.mark
    previous = mark.previous_close if mark else None
    change = mark.price - previous if mark and previous is not None else None
    basis = holding.cost if holding.quantity >= 0 else -holding.cost
    return {
        "asset_id": str(position.instrument_id),
        "symbol": position.symbol,
        "exchange": exchange,
        "asset_class": asset_class,
        "asset_marginable": False,
        "qty": plain(holding.quantity),
        "qty_available": plain(available),
        "avg_entry_price": text(holding.average_cost),
        "side": "short" if holding.quantity < 0 else "long",
        "market_value": text(position.market_value),
        "cost_basis": plain(basis),
        "unrealized_pl": text(position.unrealised_pnl),
        "unrealized_plpc": text(share(position.unrealised_pnl, holding.cost)),
        "unrealized_intraday_pl": text(position.day_pnl),
        "unrealized_intraday_plpc": text(share(position.day_pnl, position.opening_value or holding.cost)),
        "current_price": text(mark.price if mark else None),
        "lastday_price": text(previous),
        "change_today": text(share(change, previous)),
        "account_id": str(account_id),
        "currency": position.currency,
        "realized_pl": plain(holding.realised_pnl),
        "fees": plain(holding.fees),
        "day_pl": text(position.day_pnl),
        "price_at": mark.at.isoformat() if mark else None,
        "is_live": bool(mark and mark.is_live),
        "opened_at": holding.opened_at.isoformat(),
    }


def account_json(summary: AccountSummary) -> dict[str, object]:
    """Return an account's money as the API and the pages send it, in its base currency."""
    return {
        "account_id": str(summary.account_id),
        "currency": summary.currency,
        "cash": text(summary.cash),
        "reserved": text(summary.reserved),
        "short_margin": text(summary.short_margin),
        "buying_power": text(summary.buying_power),
        "long_market_value": text(summary.long_market_value),
        "short_market_value": text(summary.short_market_value),
        "equity": text(summary.equity),
        "last_equity": text(summary.last_equity),
        "day_pl": text(summary.day_pnl),
        "day_plpc": text(share(summary.day_pnl, summary.last_equity)),
        "unrealized_pl": text(summary.unrealised_pnl),
        "realized_pl": text(summary.realised_pnl),
        "fees": text(summary.fees),
        "is_live": summary.is_live,
        "cash_by_currency": {name: plain(amount) for name, amount in sorted(summary.cash_by_currency.items())},
        "missing": [why.as_dict() for why in summary.missing],
    }
