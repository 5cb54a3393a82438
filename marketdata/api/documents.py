"""Describe the answers, for the OpenAPI document only."""

from __future__ import annotations

from typing import ClassVar

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
