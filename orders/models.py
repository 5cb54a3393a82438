"""Orders, what venues did with them, and what is still to be sent."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from orders.domain.types import BaseState, IntentKind, IntentState, OrderType, PendingOperation, TimeInForce
from positions.domain.types import Side
from trading_portal.kernel.ids import uuid7


def _amount(**options: object) -> models.DecimalField:
    return models.DecimalField(max_digits=28, decimal_places=10, **options)  # type: ignore[arg-type]


def _choices(words: type) -> list[tuple[str, str]]:
    return [(word.value, word.value) for word in words]  # type: ignore[attr-defined]


class Order(models.Model):
    """One chain of replaces: it owns the fills, the reservation and the events.

    `base`, `pending` and the fills are kept apart; the status shown follows from them (orders.domain.states).
    `filled_value` is the exact sum of price x quantity; `worst_price` is what the reservation holds a unit;
    `is_refused` says that risk refused it, so that no venue ever heard of it; `expires_at` ends a day order.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Its foreign keys have no index of their own: every index is written for every order, and these find nothing.
    account = models.ForeignKey(
        "accounts.TradingAccount", on_delete=models.PROTECT, related_name="orders", db_index=False
    )
    instrument = models.ForeignKey("marketdata.Instrument", on_delete=models.PROTECT, db_index=False)
    client_order_id = models.CharField(max_length=128)
    command_hash = models.BinaryField(max_length=32)
    side = models.CharField(max_length=4, choices=_choices(Side))
    type = models.CharField(max_length=16, choices=_choices(OrderType))
    time_in_force = models.CharField(max_length=3, choices=_choices(TimeInForce))
    quantity = _amount()
    limit_price = _amount(null=True)
    stop_price = _amount(null=True)
    extended_hours = models.BooleanField(default=False)
    base = models.CharField(max_length=20, choices=_choices(BaseState))
    pending = models.CharField(max_length=8, choices=_choices(PendingOperation), default=PendingOperation.NONE.value)
    is_unknown = models.BooleanField(default=False)
    filled_quantity = _amount(default=0)
    filled_value = models.DecimalField(max_digits=56, decimal_places=20, default=0)
    average_price = _amount(null=True)
    worst_price = _amount(null=True)
    is_refused = models.BooleanField(default=False)
    reasons = models.JSONField(default=list)
    venue = models.CharField(max_length=24)
    venue_order_id = models.CharField(max_length=64, null=True)
    source = models.CharField(max_length=12)
    api_key = models.ForeignKey("accounts.ApiKey", null=True, on_delete=models.SET_NULL, db_index=False)
    correlation_id = models.UUIDField()
    version_number = models.PositiveSmallIntegerField(default=1)
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
            models.CheckConstraint(condition=Q(quantity__gt=0, quantity__lt=10**15), name="order_quantity_positive"),
            models.CheckConstraint(condition=Q(filled_quantity__gte=0), name="order_filled_not_negative"),
            models.CheckConstraint(
                condition=Q(limit_price__isnull=True) | Q(limit_price__gt=0, limit_price__lt=10**15),
                name="order_limit_price_positive",
            ),
            models.CheckConstraint(
                condition=Q(type="market", limit_price__isnull=True)
                | Q(type="limit", limit_price__isnull=False)
                | Q(type__in=["stop", "stop_limit", "trailing_stop"]),
                name="order_type_has_its_prices",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-placed_at", "-id"], name="order_newest"),
            models.Index(
                fields=["account"],
                name="order_open",
                condition=~Q(base__in=["filled", "canceled", "expired", "rejected", "replaced"]),
            ),
            models.Index(fields=["expires_at"], name="order_unsent_expiry", condition=Q(base__in=["accepted", "held"])),
        ]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.side} {self.quantity:f} ({self.base})"


class OrderVersion(models.Model):
    """One accepted replace of an order, with its own public id and client_order_id; the order itself is version 1."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveSmallIntegerField()
    client_order_id = models.CharField(max_length=128)
    quantity = _amount()
    limit_price = _amount(null=True)
    stop_price = _amount(null=True)
    accepted_at = models.DateTimeField()
    replaced_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "number"], name="order_version_once"),
            models.CheckConstraint(condition=Q(number__gt=1), name="order_version_after_the_first"),
        ]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.order_id} v{self.number}"


class Execution(models.Model):
    """One report of a venue that changed what was traded: a trade, or the bust or correction of one."""

    class Kind(models.TextChoices):
        TRADE = "trade"
        BUST = "trade_cancel"
        CORRECTION = "trade_correct"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="executions", db_index=False)
    venue = models.CharField(max_length=24)
    exec_id = models.CharField(max_length=64)
    ref_exec_id = models.CharField(max_length=64, null=True)
    kind = models.CharField(max_length=14, choices=Kind)
    is_live = models.BooleanField(default=True)
    quantity = _amount()
    price = _amount()
    fee = _amount(default=0)
    executed_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["venue", "exec_id"], name="execution_once"),
            models.CheckConstraint(condition=Q(quantity__gte=0, price__gt=0), name="execution_makes_sense"),
        ]
        indexes = [models.Index(fields=["order", "executed_at"], name="execution_order_time")]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.venue} {self.exec_id}"


class VenueIntent(models.Model):
    """One message a venue is to get: due, then sent (the intent is stored before the call), then settled."""

    id = models.BigAutoField(primary_key=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="intents", db_index=False)
    venue = models.CharField(max_length=24)
    kind = models.CharField(max_length=8, choices=_choices(IntentKind))
    state = models.CharField(max_length=8, choices=_choices(IntentState), default=IntentState.DUE.value)
    fence = models.BigIntegerField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["venue", "due_at", "id"], name="intent_due", condition=Q(state="due")),
            models.Index(fields=["venue", "sent_at"], name="intent_in_flight", condition=Q(state="sent")),
            models.Index(fields=["order"], name="intent_order_open", condition=Q(state__in=["due", "sent"])),
        ]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.kind} {self.order_id} ({self.state})"


class VenueLease(models.Model):
    """Let one worker at a time speak to a venue; the fence grows with every new holder.

    `drop_copy_id` is how far the venue's drop copy has been compared with what we recorded.
    """

    venue = models.CharField(primary_key=True, max_length=24)
    holder = models.CharField(max_length=80)
    fence = models.BigIntegerField()
    renewed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    drop_copy_id = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gte=F("renewed_at")), name="lease_expires_after_renewal")
        ]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.venue} held by {self.holder} ({self.fence})"


class RecordedReport(models.Model):
    """Remember that a venue's report was applied or parked, so that its repeat changes nothing."""

    pk = models.CompositePrimaryKey("venue", "exec_id")
    venue = models.CharField(max_length=24)
    exec_id = models.CharField(max_length=64)
    order_id = models.UUIDField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.venue} {self.exec_id}"


class ParkedReport(models.Model):
    """Keep, raw, a venue's report that could not be applied, until a person has looked."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    venue = models.CharField(max_length=24)
    order = models.ForeignKey(Order, null=True, on_delete=models.PROTECT)
    code = models.CharField(max_length=40)
    report = models.JSONField()
    recorded_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ("view", "change")

    def __str__(self) -> str:
        return f"{self.venue} {self.code}"


class PaperSession(models.Model):
    """Count the starts of a paper venue: an older process that still runs may not write its book any more."""

    venue = models.CharField(primary_key=True, max_length=24)
    number = models.BigIntegerField()
    started_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.venue} {self.number}"


class PaperOrder(models.Model):
    """A paper venue's own book, read by nobody but the paper broker and the drop-copy check."""

    order_id = models.UUIDField(primary_key=True)
    venue = models.CharField(max_length=24)
    arrival = models.BigIntegerField()
    symbol = models.CharField(max_length=24)
    side = models.CharField(max_length=4, choices=_choices(Side))
    type = models.CharField(max_length=16, choices=_choices(OrderType))
    time_in_force = models.CharField(max_length=3, choices=_choices(TimeInForce))
    quantity = _amount()
    limit_price = _amount(null=True)
    filled_quantity = _amount(default=0)
    state = models.CharField(max_length=10)
    received_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(filled_quantity__gte=0, filled_quantity__lte=F("quantity")),
                name="paper_order_not_overfilled",
            )
        ]
        indexes = [models.Index(fields=["venue", "arrival"], name="paper_order_open", condition=Q(state="open"))]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.order_id} {self.state}"


class PaperReport(models.Model):
    """A paper venue's own drop copy: every report it ever made, in order."""

    id = models.BigAutoField(primary_key=True)
    venue = models.CharField(max_length=24)
    order_id = models.UUIDField()
    exec_id = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=16)
    quantity = _amount(null=True)
    price = _amount(null=True)
    fee = _amount(default=0)
    reason = models.CharField(max_length=80, blank=True)
    executed_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["order_id"], name="paper_report_order"),
            models.Index(fields=["venue", "id"], name="paper_report_drop_copy"),
        ]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.exec_id} {self.kind}"
