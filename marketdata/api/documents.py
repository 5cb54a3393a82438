"""Describe the answers, for the OpenAPI document only."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers

from accounts.api.openapi import Document


class AssetDocument(Document):
    """An instrument that can be traded."""

    id = serializers.UUIDField()
    exchange = serializers.CharField()
    symbol = serializers.CharField(help_text="A crypto pair is written with a slash: BTC/USD.")
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=["active", "inactive"])
    tradable = serializers.BooleanField()
    marginable = serializers.BooleanField()
    shortable = serializers.BooleanField()
    easy_to_borrow = serializers.BooleanField()
    fractionable = serializers.BooleanField()
    min_order_size = serializers.CharField()
    min_trade_increment = serializers.CharField()
    price_increment = serializers.CharField()
    attributes = serializers.ListField(child=serializers.CharField())
    currency = serializers.CharField()
    halted = serializers.BooleanField()

    more: ClassVar = {"class": serializers.ChoiceField(choices=["us_equity", "crypto"])}


class ClockDocument(Document):
    """The clock of the equity market; times are the market's own."""

    timestamp = serializers.DateTimeField()
    is_open = serializers.BooleanField()
    next_open = serializers.DateTimeField()
    next_close = serializers.DateTimeField()


class CalendarDocument(Document):
    """One day of the equity market; times are the market's own."""

    date = serializers.DateField()
    open = serializers.CharField(help_text="HH:MM")
    close = serializers.CharField(help_text="HH:MM")
    session_open = serializers.CharField(help_text="HHMM")
    session_close = serializers.CharField(help_text="HHMM")


class Number(serializers.DecimalField):
    """A JSON number, exact to the digit."""

    def __init__(self, **more: Any) -> None:
        super().__init__(max_digits=None, decimal_places=None, coerce_to_string=False, **more)


class BarDocument(Document):
    """The trades of one interval; the last one may still grow. Amounts are JSON numbers, as Alpaca's are."""

    t = serializers.DateTimeField(help_text="When the interval began; a day is a UTC day.")
    o = Number()
    h = Number()
    c = Number()
    v = Number()
    n = serializers.IntegerField(help_text="How many trades.")
    vw = Number(allow_null=True, help_text="The average price by volume.")

    more: ClassVar = {"l": Number()}


class BarsDocument(Document):
    """Bars by symbol, then time; a symbol without any is left out."""

    bars = serializers.DictField(child=serializers.ListField(child=BarDocument()))
    next_page_token = serializers.CharField(allow_null=True)


class LatestBarsDocument(Document):
    """The last minute's bar of each symbol that has one."""

    bars = serializers.DictField(child=BarDocument())
