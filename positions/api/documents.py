"""Describe the answers, for the OpenAPI document only."""

from __future__ import annotations

from rest_framework import serializers

from accounts.api.openapi import Document

_AMOUNT = "A decimal string; null when a price or rate it needs is not known."


def _amount(text: str = _AMOUNT) -> serializers.CharField:
    return serializers.CharField(allow_null=True, help_text=text)


class AccountDocument(Document):
    """What the key's account has and may spend, in its currency."""

    id = serializers.UUIDField()
    account_number = serializers.CharField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=["ACTIVE", "ACCOUNT_CLOSED"])
    crypto_status = serializers.ChoiceField(choices=["ACTIVE", "ACCOUNT_CLOSED"])
    currency = serializers.CharField()
    cash = _amount()
    cash_by_currency = serializers.DictField(child=serializers.CharField())
    buying_power = _amount(
        "Cash less what open orders may still spend and short positions hold; null when it is not known."
    )
    regt_buying_power = _amount()
    daytrading_buying_power = _amount()
    non_marginable_buying_power = _amount()
    options_buying_power = _amount()
    portfolio_value = _amount("The same as equity.")
    equity = _amount()
    last_equity = _amount()
    long_market_value = _amount()
    short_market_value = _amount()
    reserved = _amount("What open orders may still spend.")
    short_margin = _amount("What short positions hold of the cash: 150% of their worth.")
    day_pl = _amount()
    day_plpc = _amount()
    unrealized_pl = _amount()
    realized_pl = _amount()
    fees = _amount()
    accrued_fees = serializers.CharField()
    pending_transfer_in = serializers.CharField()
    pending_transfer_out = serializers.CharField()
    initial_margin = _amount("The same as short_margin.")
    maintenance_margin = _amount("130% of what short positions are worth.")
    last_maintenance_margin = serializers.CharField()
    sma = serializers.CharField()
    multiplier = serializers.CharField()
    daytrade_count = serializers.IntegerField()
    pattern_day_trader = serializers.BooleanField()
    trading_blocked = serializers.BooleanField()
    transfers_blocked = serializers.BooleanField()
    account_blocked = serializers.BooleanField()
    trade_suspended_by_user = serializers.BooleanField()
    shorting_enabled = serializers.BooleanField()
    paper = serializers.BooleanField()
    is_live = serializers.BooleanField(help_text="Every position is marked to a price that lives.")


class PositionDocument(Document):
    """What the account holds of one instrument, in that instrument's currency."""

    asset_id = serializers.UUIDField()
    symbol = serializers.CharField()
    exchange = serializers.CharField(allow_blank=True)
    asset_class = serializers.ChoiceField(choices=["us_equity", "crypto"])
    asset_marginable = serializers.BooleanField()
    qty = serializers.CharField()
    qty_available = serializers.CharField(help_text="Less what open orders may still close.")
    avg_entry_price = serializers.CharField()
    side = serializers.ChoiceField(choices=["long", "short"])
    market_value = _amount()
    cost_basis = serializers.CharField()
    unrealized_pl = _amount()
    unrealized_plpc = _amount()
    unrealized_intraday_pl = _amount()
    unrealized_intraday_plpc = _amount()
    current_price = _amount()
    lastday_price = _amount()
    change_today = _amount()
    currency = serializers.CharField()
    realized_pl = serializers.CharField()
    fees = serializers.CharField()
    day_pl = _amount()
    price_at = serializers.DateTimeField(allow_null=True)
    is_live = serializers.BooleanField()
    opened_at = serializers.DateTimeField()
