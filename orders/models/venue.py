"""What venues are to be told, who may tell them, and what they reported."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.fields.json import KT

from orders.domain.breaker import BreakerState, Line
from orders.domain.types import IntentKind, IntentState
from orders.models.columns import choices
from orders.models.order import Order, OrderVersion
from trading_portal.kernel.ids import uuid7


class VenueIntent(models.Model):
    """One message a venue is to get: due, then sent (the intent is stored before the call), then settled.

    A replace carries its `version`.
    """

    id = models.BigAutoField(primary_key=True)
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="intents", db_index=False, db_constraint=False
    )
    venue = models.CharField(max_length=24)
    kind = models.CharField(max_length=8, choices=choices(IntentKind))
    state = models.CharField(max_length=8, choices=choices(IntentState), default=IntentState.DUE.value)
    version = models.ForeignKey(
        OrderVersion, null=True, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
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
    """Keep, raw, a venue's report that could not be applied, until what it lacked comes or a person has looked."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    venue = models.CharField(max_length=24)
    order = models.ForeignKey(Order, null=True, on_delete=models.PROTECT)
    code = models.CharField(max_length=40)
    report = models.JSONField()
    recorded_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # A bust or correction that came before its trade, looked for whenever something trades.
            models.Index(
                F("venue"),
                KT("report__ref_exec_id"),
                name="parked_report_early",
                condition=Q(code="EXECUTION_UNKNOWN", resolved_at__isnull=True),
            )
        ]
        default_permissions = ("view", "change")

    def __str__(self) -> str:
        return f"{self.venue} {self.code}"


class Breaker(models.Model):
    """What the worker that speaks to a venue finds of it: whether it answers, and how fast.

    A venue without a row has always answered. `probe_at` is when an open breaker lets something through again.
    """

    venue = models.CharField(primary_key=True, max_length=24)
    state = models.CharField(max_length=9, choices=choices(BreakerState), default=BreakerState.CLOSED.value)
    opened_by = models.CharField(max_length=4, choices=choices(Line), blank=True)
    cause = models.CharField(max_length=200, blank=True)
    changed_at = models.DateTimeField()
    probe_at = models.DateTimeField(null=True)
    is_slow = models.BooleanField(default=False)
    acknowledge_p95_ms = models.PositiveIntegerField(null=True)
    fill_p95_ms = models.PositiveIntegerField(null=True)
    patience_ms = models.PositiveIntegerField(default=10_000)
    measured_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["venue"], name="breaker_open", condition=Q(state="open"))]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.venue} {self.state}"


class VenueRoute(models.Model):
    """Say where orders go: an account's own route before everybody's, one asset class's before every one's.

    A venue outside this portal may be reached only by the accounts that a route leads there.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey("accounts.TradingAccount", null=True, blank=True, on_delete=models.CASCADE)
    asset_class = models.CharField(max_length=12, blank=True)
    venue = models.CharField(max_length=24)
    is_default = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "asset_class", "venue"], name="venue_route_once", nulls_distinct=False
            ),
            models.UniqueConstraint(
                fields=["account", "asset_class"],
                name="venue_route_one_default",
                nulls_distinct=False,
                condition=Q(is_default=True),
            ),
        ]
        default_permissions = ("view", "add", "change", "delete")

    def __str__(self) -> str:
        return f"{self.asset_class or 'everything'} to {self.venue}"


class VenueAlert(models.Model):
    """Something at a venue that a person must look at; resolved by that person, or by itself when it is over.

    `subject` is what it is about: an order's id, a symbol, or nothing but the venue.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    venue = models.CharField(max_length=24)
    code = models.CharField(max_length=40)
    subject = models.CharField(max_length=40, blank=True)
    order = models.ForeignKey(Order, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    facts = models.JSONField()
    raised_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["venue", "code", "subject"], name="venue_alert_once", condition=Q(resolved_at=None)
            )
        ]
        default_permissions = ("view", "change")

    def __str__(self) -> str:
        return f"{self.venue} {self.code}"
