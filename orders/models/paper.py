"""A paper venue's own tables."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from orders.domain.types import OrderType, TimeInForce
from orders.models.columns import amount, choices
from positions.domain.types import Side


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
    side = models.CharField(max_length=4, choices=choices(Side))
    type = models.CharField(max_length=16, choices=choices(OrderType))
    time_in_force = models.CharField(max_length=3, choices=choices(TimeInForce))
    quantity = amount()
    limit_price = amount(null=True)
    filled_quantity = amount(default=0)
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
    quantity = amount(null=True)
    price = amount(null=True)
    fee = amount(default=0)
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
