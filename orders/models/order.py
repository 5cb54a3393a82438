"""Orders, their replaces and their executions."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from orders.domain.types import BaseState, Leg, OrderClass, OrderType, PendingOperation, TimeInForce
from orders.models.columns import amount, choices
from positions.domain.types import Side
from trading_portal.kernel.ids import uuid7


class Order(models.Model):
    """One chain of replaces: it owns the fills, the reservation and the events.

    `base`, `pending` and the fills are kept apart; the status shown follows from them (orders.domain.states).
    `filled_value` is the exact sum of price x quantity; `worst_price` is what the reservation holds a unit;
    `is_closed` says that nothing more is expected of it (orders.domain.order.OrderState.is_open, the other way round);
    `is_refused` says that risk refused it, so that no venue ever heard of it; `expires_at` ends a day order, and
    a gtc order that is good till a date. A leg's `parent` is the order it is an exit of; `version_id` is the public id
    of the last accepted replace, `version_number` counts them from 1, the order itself.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Its foreign keys have no index of their own: every index is written for every order, and these find nothing.
    # Triggers hold them, here and in the tables beside, a statement at a time (trading_portal.kernel.references).
    account = models.ForeignKey(
        "accounts.TradingAccount",
        on_delete=models.PROTECT,
        related_name="orders",
        db_index=False,
        db_constraint=False,
    )
    instrument = models.ForeignKey(
        "marketdata.Instrument", on_delete=models.PROTECT, db_index=False, db_constraint=False
    )
    client_order_id = models.CharField(max_length=128)
    command_hash = models.BinaryField(max_length=32)
    side = models.CharField(max_length=4, choices=choices(Side))
    type = models.CharField(max_length=16, choices=choices(OrderType))
    time_in_force = models.CharField(max_length=3, choices=choices(TimeInForce))
    quantity = amount()
    limit_price = amount(null=True)
    stop_price = amount(null=True)
    extended_hours = models.BooleanField(default=False)
    notional = amount(null=True)
    trail_price = amount(null=True)
    trail_percent = amount(null=True)
    order_class = models.CharField(max_length=8, choices=choices(OrderClass), default=OrderClass.SIMPLE.value)
    parent = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="legs", db_index=False, db_constraint=False
    )
    leg = models.CharField(max_length=12, choices=choices(Leg), default=Leg.NONE.value, blank=True)
    schedule = models.JSONField(null=True)
    base = models.CharField(max_length=20, choices=choices(BaseState))
    pending = models.CharField(max_length=8, choices=choices(PendingOperation), default=PendingOperation.NONE.value)
    is_unknown = models.BooleanField(default=False)
    is_closed = models.BooleanField(default=False)
    filled_quantity = amount(default=0)
    filled_value = models.DecimalField(max_digits=56, decimal_places=20, default=0)
    average_price = amount(null=True)
    worst_price = amount(null=True)
    is_refused = models.BooleanField(default=False)
    reasons = models.JSONField(default=list)
    venue = models.CharField(max_length=24)
    venue_order_id = models.CharField(max_length=64, null=True)
    source = models.CharField(max_length=12)
    api_key = models.ForeignKey(
        "accounts.ApiKey", null=True, on_delete=models.PROTECT, db_index=False, db_constraint=False
    )
    correlation_id = models.UUIDField()
    version_number = models.PositiveIntegerField(default=1)
    version_id = models.UUIDField(null=True)
    event_sequence = models.BigIntegerField()
    placed_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    routed_at = models.DateTimeField(null=True)
    filled_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "client_order_id"], name="order_client_order_id_once"),
            # What an amount would have bought is not known of an order that was refused for want of a price.
            models.CheckConstraint(
                condition=Q(quantity__gt=0, quantity__lt=10**15) | Q(quantity=0, notional__gt=0, is_refused=True),
                name="order_quantity_positive",
            ),
            models.CheckConstraint(condition=Q(filled_quantity__gte=0), name="order_filled_not_negative"),
            models.CheckConstraint(
                condition=Q(limit_price__isnull=True) | Q(limit_price__gt=0, limit_price__lt=10**15),
                name="order_limit_price_positive",
            ),
            models.CheckConstraint(
                condition=Q(type="market", limit_price__isnull=True, stop_price__isnull=True)
                | Q(type="limit", limit_price__isnull=False, stop_price__isnull=True)
                | Q(type="stop", limit_price__isnull=True, stop_price__gt=0)
                | Q(type="stop_limit", limit_price__isnull=False, stop_price__gt=0)
                | Q(type="trailing_stop", limit_price__isnull=True),
                name="order_type_has_its_prices",
            ),
            models.CheckConstraint(
                condition=Q(type="trailing_stop", trail_price__gt=0, trail_percent__isnull=True)
                | Q(type="trailing_stop", trail_price__isnull=True, trail_percent__gt=0)
                | Q(~Q(type="trailing_stop"), trail_price__isnull=True, trail_percent__isnull=True),
                name="order_trail_is_a_trailing_stops",
            ),
            models.CheckConstraint(condition=Q(leg="") | Q(parent__isnull=False), name="order_leg_has_a_parent"),
        ]
        indexes = [
            models.Index(fields=["parent"], name="order_legs", condition=Q(parent__isnull=False)),
            models.Index(fields=["account", "-placed_at", "-id"], name="order_newest"),
            models.Index(fields=["account", "instrument", "-placed_at", "-id"], name="order_newest_of_instrument"),
            # On a column that changes once: until then no update of the row has to touch an index.
            models.Index(fields=["account"], name="order_open", condition=Q(is_closed=False)),
            models.Index(
                fields=["parent"], name="order_open_grouped", condition=Q(is_closed=False) & ~Q(order_class="simple")
            ),
            models.Index(
                fields=["expires_at"], name="order_open_expiry", condition=Q(is_closed=False, expires_at__isnull=False)
            ),
        ]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.side} {self.quantity:f} ({self.base})"


class OrderVersion(models.Model):
    """One replace of an order, with its own public id and client_order_id; the order itself is version 1.

    Asked for at `requested_at`; then the venue accepted or rejected it, the order ended first, or risk refused it.
    `replaces` is the public id the order had until then, `was` its terms and fills when an accepted one took over: a
    GET by the replaced id answers with them. The other columns are the terms asked for, or those the venue gave.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        ACCEPTED = "accepted"
        REJECTED = "rejected"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="versions")
    account = models.ForeignKey("accounts.TradingAccount", on_delete=models.PROTECT, db_index=False)
    number = models.PositiveIntegerField()
    client_order_id = models.CharField(max_length=128)
    command_hash = models.BinaryField(max_length=32)
    replaces = models.UUIDField()
    quantity = amount()
    limit_price = amount(null=True)
    stop_price = amount(null=True)
    trail_price = amount(null=True)
    trail_percent = amount(null=True)
    time_in_force = models.CharField(max_length=3, choices=choices(TimeInForce))
    expires_at = models.DateTimeField(null=True)
    worst_price = amount(null=True)
    was = models.JSONField(null=True)
    reasons = models.JSONField(default=list)
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    requested_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    rejected_at = models.DateTimeField(null=True)
    replaced_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "number"], name="order_version_once"),
            models.UniqueConstraint(fields=["account", "client_order_id"], name="order_version_client_order_id_once"),
            models.UniqueConstraint(fields=["order"], name="order_version_pending_once", condition=Q(state="pending")),
            models.CheckConstraint(condition=Q(number__gt=1), name="order_version_after_the_first"),
        ]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.order_id} v{self.number}"


class Execution(models.Model):
    """One report of a venue that changed what was traded: a trade, or the bust or correction of one.

    `quantity` and `price` are as traded; where the order was split since, `restated_quantity` is what the fill counts
    for in it, for the same money. `trade_id` is the trade that a correction stands for, whichever it corrected.
    `account_id` is its order's, which never changes: pages of an account's trades are read by it.
    """

    class Kind(models.TextChoices):
        TRADE = "trade"
        BUST = "trade_cancel"
        CORRECTION = "trade_correct"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="executions", db_index=False, db_constraint=False
    )
    # No reference of its own: the look at the order that holds `order` holds this too, for nothing more.
    account_id = models.UUIDField()
    venue = models.CharField(max_length=24)
    exec_id = models.CharField(max_length=64)
    ref_exec_id = models.CharField(max_length=64, null=True)
    kind = models.CharField(max_length=14, choices=Kind)
    trade_id = models.UUIDField(null=True)
    is_live = models.BooleanField(default=True)
    quantity = amount()
    restated_quantity = amount(null=True)
    price = amount()
    fee = amount(default=0)
    executed_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["venue", "exec_id"], name="execution_once"),
            models.CheckConstraint(condition=Q(quantity__gte=0, price__gt=0), name="execution_makes_sense"),
        ]
        indexes = [
            models.Index(fields=["order", "executed_at"], name="execution_order_time"),
            # Walked from either end, for what pages show: trades that stand, by when they were done.
            models.Index(
                fields=["account_id", "executed_at", "id"], name="execution_account_time", condition=Q(is_live=True)
            ),
        ]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.venue} {self.exec_id}"
