"""What venues are to be told, who may tell them, and what they reported."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from orders.domain.types import IntentKind, IntentState
from orders.models.columns import choices
from orders.models.order import Order, OrderVersion
from trading_portal.kernel.ids import uuid7


class VenueIntent(models.Model):
    """One message a venue is to get: due, then sent (the intent is stored before the call), then settled.

    A replace carries its `version`.
    """

    id = models.BigAutoField(primary_key=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="intents", db_index=False)
    venue = models.CharField(max_length=24)
    kind = models.CharField(max_length=8, choices=choices(IntentKind))
    state = models.CharField(max_length=8, choices=choices(IntentState), default=IntentState.DUE.value)
    version = models.ForeignKey(OrderVersion, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
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
