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
    """A paper venue's own book, read by nobody but the paper broker and the drop-copy check.

    `arrival` is its place among orders of one price. A stop that `is_triggered` works as any other order; until then a
    trailing one follows `mark`, the best price so far. `pause` says why an open order may not trade now; `acts_at` is
    the opening or close that an auction order waits for; `step` counts what its `scenario` has done, next at `step_at`.
    """

    order_id = models.UUIDField(primary_key=True)
    venue = models.CharField(max_length=24)
    account_id = models.UUIDField(null=True)
    arrival = models.BigIntegerField()
    symbol = models.CharField(max_length=24)
    side = models.CharField(max_length=4, choices=choices(Side))
    type = models.CharField(max_length=16, choices=choices(OrderType))
    time_in_force = models.CharField(max_length=3, choices=choices(TimeInForce))
    quantity = amount()
    limit_price = amount(null=True)
    stop_price = amount(null=True)
    trail_price = amount(null=True)
    trail_percent = amount(null=True)
    mark = amount(null=True)
    is_triggered = models.BooleanField(default=False)
    extended_hours = models.BooleanField(default=False)
    filled_quantity = amount(default=0)
    state = models.CharField(max_length=10)
    pause = models.CharField(max_length=12, default="", blank=True)
    scenario = models.CharField(max_length=20, default="", blank=True)
    step = models.PositiveSmallIntegerField(default=0)
    step_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField()
    acts_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(filled_quantity__gte=0) & (Q(filled_quantity__lte=F("quantity")) | Q(scenario="over_fill")),
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
    exec_id = models.CharField(max_length=64)
    ref_exec_id = models.CharField(max_length=64, null=True)
    kind = models.CharField(max_length=16)
    quantity = amount(null=True)
    price = amount(null=True)
    stop_price = amount(null=True)
    fee = amount(default=0)
    reason = models.CharField(max_length=80, blank=True)
    restatement = models.CharField(max_length=8, null=True)
    request_id = models.UUIDField(null=True)
    ratio = amount(null=True)
    executed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["exec_id"], name="paper_report_once")]
        indexes = [
            models.Index(fields=["order_id"], name="paper_report_order"),
            models.Index(fields=["venue", "id"], name="paper_report_drop_copy"),
        ]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.exec_id} {self.kind}"
