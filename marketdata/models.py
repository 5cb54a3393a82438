"""Instruments, their last known prices and their candles."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from trading_portal.kernel.ids import uuid7


def _price(**options: Any) -> models.DecimalField[Any, Any]:
    return models.DecimalField(max_digits=28, decimal_places=10, **options)


class Instrument(models.Model):
    """Something that can be traded, and the grid its orders must lie on."""

    class AssetClass(models.TextChoices):
        US_EQUITY = "us_equity"
        CRYPTO = "crypto"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    symbol = models.CharField(max_length=24, unique=True)
    name = models.CharField(max_length=120)
    asset_class = models.CharField(max_length=12, choices=AssetClass)
    exchange = models.CharField(max_length=12)
    currency = models.CharField(max_length=8)
    tick_size = _price()
    lot_size = _price()
    calendar = models.CharField(max_length=12)
    is_active = models.BooleanField(default=True)
    is_tradable = models.BooleanField(default=True)
    is_halted = models.BooleanField(default=False)
    is_shortable = models.BooleanField(default=False)
    is_easy_to_borrow = models.BooleanField(default=False)
    is_fractionable = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(tick_size__gt=0), name="instrument_tick_positive"),
            models.CheckConstraint(condition=Q(lot_size__gt=0), name="instrument_lot_positive"),
        ]

    def __str__(self) -> str:
        return self.symbol


class Quote(models.Model):
    """Hold the last known price of an instrument, however old: for closes and for pages, never for freshness."""

    instrument = models.OneToOneField(Instrument, on_delete=models.CASCADE, primary_key=True)
    bid = _price(null=True)
    ask = _price(null=True)
    last = _price()
    is_synthetic = models.BooleanField(default=False)
    executed_at = models.DateTimeField()
    received_at = models.DateTimeField()

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.last}"


class Candle(models.Model):
    """Sum up the trades of one interval: open, high, low, close, volume, count."""

    class Interval(models.TextChoices):
        MINUTE = "1m"
        FIVE_MINUTES = "5m"
        HOUR = "1h"
        DAY = "1d"

    id = models.BigAutoField(primary_key=True)
    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="candles")
    interval = models.CharField(max_length=3, choices=Interval)
    opened_at = models.DateTimeField()
    open = _price()
    high = _price()
    low = _price()
    close = _price()
    volume = _price()
    notional = models.DecimalField(max_digits=38, decimal_places=10)
    trade_count = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instrument", "interval", "opened_at"], name="candle_once"),
            models.CheckConstraint(
                condition=Q(low__gt=0, high__gte=F("low"), volume__gte=0),
                name="candle_makes_sense",
            ),
        ]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.interval} {self.opened_at:%Y-%m-%d %H:%M}"


class Watchlist(models.Model):
    """List the instruments a person watches."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="watchlists")
    name = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="watchlist_name_once")]

    def __str__(self) -> str:
        return self.name


class WatchlistItem(models.Model):
    """Place one instrument in a watchlist."""

    watchlist = models.ForeignKey(Watchlist, on_delete=models.CASCADE, related_name="items")
    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE)
    position = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["watchlist", "instrument"], name="watchlist_item_once")]
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.watchlist_id}: {self.instrument_id}"
