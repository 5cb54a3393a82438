"""Money and holdings, as double-entry lines and what they add up to."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from positions.domain.types import Side
from trading_portal.kernel.ids import uuid7


def _amount(**options: object) -> models.DecimalField:
    return models.DecimalField(max_digits=28, decimal_places=10, **options)  # type: ignore[arg-type]


class LedgerLine(models.Model):
    """Book one amount on one ledger account; the lines of a transaction sum to zero per currency (a trigger sees to it).

    Cash lines carry the trading account; the other side is `market`, `external` or `fees`.
    """

    class Book(models.TextChoices):
        CASH = "cash"
        MARKET = "market"
        EXTERNAL = "external"
        FEES = "fees"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    transaction_id = models.UUIDField()
    account = models.ForeignKey("accounts.TradingAccount", on_delete=models.PROTECT)
    book = models.CharField(max_length=8, choices=Book)
    currency = models.CharField(max_length=8)
    amount = _amount()
    reason = models.CharField(max_length=40)
    reference_id = models.UUIDField(null=True)
    valid_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["account", "currency", "recorded_at"], name="ledger_account_time"),
            models.Index(fields=["transaction_id"], name="ledger_transaction"),
        ]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.book} {self.amount} {self.currency}"


class CashBalance(models.Model):
    """Hold what an account's cash lines of one currency add up to."""

    account = models.ForeignKey("accounts.TradingAccount", on_delete=models.PROTECT, related_name="cash_balances")
    currency = models.CharField(max_length=8)
    balance = _amount()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "currency"], name="cash_balance_once")]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.balance} {self.currency}"


class Holding(models.Model):
    """Hold an account's net quantity of an instrument (negative is short), at average cost."""

    account = models.ForeignKey("accounts.TradingAccount", on_delete=models.PROTECT, related_name="holdings")
    instrument = models.ForeignKey("marketdata.Instrument", on_delete=models.PROTECT)
    quantity = _amount()
    average_cost = _amount()
    realised_pnl = _amount(default=0)
    fees = _amount(default=0)
    opened_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "instrument"], name="holding_once"),
            models.CheckConstraint(condition=Q(average_cost__gte=0), name="holding_cost_not_negative"),
        ]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.quantity} of {self.instrument_id}"


class Reservation(models.Model):
    """Hold what one open order may still spend or deliver; gone when the order is done."""

    order_id = models.UUIDField(primary_key=True)
    account = models.ForeignKey("accounts.TradingAccount", on_delete=models.PROTECT, related_name="reservations")
    instrument = models.ForeignKey("marketdata.Instrument", on_delete=models.PROTECT)
    owner_id = models.UUIDField()
    side = models.CharField(max_length=4, choices=[(side.value, side.value) for side in Side])
    quantity_left = _amount()
    price = _amount()
    limit_price = _amount(null=True)
    currency = models.CharField(max_length=8)
    opened_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(quantity_left__gte=0), name="reservation_quantity_not_negative"),
            models.CheckConstraint(condition=Q(price__gt=0), name="reservation_price_positive"),
        ]
        indexes = [models.Index(fields=["account", "instrument"], name="reservation_account_instrument")]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.side} {self.quantity_left} at {self.price}"
