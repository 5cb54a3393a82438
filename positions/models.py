"""Money and holdings, as double-entry lines and what they add up to."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from positions.domain.types import Book, Side
from trading_portal.kernel.ids import uuid7


def _amount(**options: Any) -> models.DecimalField[Any, Any]:
    return models.DecimalField(max_digits=28, decimal_places=10, **options)


class LedgerLine(models.Model):
    """Book one amount on one ledger account; a trigger sees to it that a transaction sums to zero per currency.

    Every line carries the trading account; `cash` is its money, the other side is `market`, `external` or `fees`.
    A fill's transaction is its execution's id, so that it cannot be booked twice; `reference_id` is its order.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    transaction_id = models.UUIDField()
    account = models.ForeignKey("accounts.TradingAccount", on_delete=models.PROTECT, db_index=False)
    book = models.CharField(max_length=8, choices=[(book.value, book.value) for book in Book])
    currency = models.CharField(max_length=8)
    amount = _amount()
    reason = models.CharField(max_length=40)
    reference_id = models.UUIDField(null=True)
    valid_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["transaction_id", "account", "reason", "book", "currency"], name="ledger_line_once"
            ),
            models.CheckConstraint(condition=~Q(amount=0), name="ledger_amount_not_zero"),
        ]
        indexes = [models.Index(fields=["account", "currency", "recorded_at"], name="ledger_account_time")]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.book} {self.amount} {self.currency}"


class CashBalance(models.Model):
    """Hold what an account's cash lines of one currency add up to.

    `opening_balance` was there when `day` began; `day_posted` was paid in or out since: see positions.domain.valuation.
    """

    account = models.ForeignKey(
        "accounts.TradingAccount", on_delete=models.PROTECT, related_name="cash_balances", db_index=False
    )
    currency = models.CharField(max_length=8)
    balance = _amount()
    day = models.DateField()
    opening_balance = _amount(default=0)
    day_posted = _amount(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "currency"], name="cash_balance_once")]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.balance} {self.currency}"


class Holding(models.Model):
    """Hold an account's net quantity of an instrument (negative is short), at average cost.

    `cost` is the exact money the open quantity cost; `average_cost` is that per unit, rounded.
    `opening_quantity` was held when `day` began; `day_flow` is what that day's fills brought in.
    """

    account = models.ForeignKey(
        "accounts.TradingAccount", on_delete=models.PROTECT, related_name="holdings", db_index=False
    )
    instrument = models.ForeignKey("marketdata.Instrument", on_delete=models.PROTECT)
    quantity = _amount()
    cost = _amount()
    average_cost = _amount()
    realised_pnl = _amount(default=0)
    fees = _amount(default=0)
    day = models.DateField()
    opening_quantity = _amount(default=0)
    day_flow = _amount(default=0)
    opened_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "instrument"], name="holding_once"),
            models.CheckConstraint(condition=Q(average_cost__gte=0, cost__gte=0), name="holding_cost_not_negative"),
            models.CheckConstraint(condition=~Q(quantity=0) | Q(cost=0), name="holding_of_nothing_costs_nothing"),
        ]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.quantity} of {self.instrument_id}"


class Reservation(models.Model):
    """Hold what one open order may still spend or deliver; gone when the order is done.

    `is_dormant` is a stop, which trades with nobody before its price is reached.
    Triggers hold its references, a statement at a time (trading_portal.kernel.references).
    """

    order_id = models.UUIDField(primary_key=True)
    account = models.ForeignKey(
        "accounts.TradingAccount",
        on_delete=models.PROTECT,
        related_name="reservations",
        db_index=False,
        db_constraint=False,
    )
    instrument = models.ForeignKey(
        "marketdata.Instrument", on_delete=models.PROTECT, db_index=False, db_constraint=False
    )
    owner_id = models.UUIDField()
    side = models.CharField(max_length=4, choices=[(side.value, side.value) for side in Side])
    quantity_left = _amount()
    price = _amount()
    limit_price = _amount(null=True)
    is_dormant = models.BooleanField(default=False)
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
