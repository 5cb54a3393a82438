"""A router's own tables: the orders it works, the parts it sent to venues, and why there."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from orders.domain.types import OrderType, TimeInForce
from orders.models.columns import amount, choices
from positions.domain.types import Side


class SmartOrder(models.Model):
    """An order as a router works it: what it is, how much was handed to venues, and what it waits for.

    `steps` is its timetable ([{due_at, quantity}]) when it is worked over time; `ask` is a replace that it answers once
    nothing of the old terms works any more.
    """

    order_id = models.UUIDField(primary_key=True)
    venue = models.CharField(max_length=24)
    account_id = models.UUIDField(null=True)
    symbol = models.CharField(max_length=24)
    side = models.CharField(max_length=4, choices=choices(Side))
    type = models.CharField(max_length=16, choices=choices(OrderType))
    time_in_force = models.CharField(max_length=3, choices=choices(TimeInForce))
    quantity = amount()
    limit_price = amount(null=True)
    expires_at = models.DateTimeField(null=True)
    extended_hours = models.BooleanField(default=False)
    steps = models.JSONField(null=True)
    ends_at = models.DateTimeField(null=True)
    filled_quantity = amount(default=0)
    state = models.CharField(max_length=10)
    is_cancel_asked = models.BooleanField(default=False)
    ask = models.JSONField(null=True)
    received_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["venue"], name="smart_order_open", condition=~Q(state="done"))]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.order_id} {self.state}"


class SmartDecision(models.Model):
    """Where a router sent a part of an order, with every venue as it then saw it."""

    id = models.UUIDField(primary_key=True)
    order = models.ForeignKey(SmartOrder, on_delete=models.PROTECT, related_name="decisions")
    quantity = amount()
    decision = models.JSONField()
    cause = models.CharField(max_length=40)
    decided_at = models.DateTimeField()

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.cause}: {self.quantity:f}"


class SmartChild(models.Model):
    """A part of an order at one venue, which knows it by this id."""

    id = models.UUIDField(primary_key=True)
    order = models.ForeignKey(SmartOrder, on_delete=models.PROTECT, related_name="children")
    venue = models.CharField(max_length=24)
    time_in_force = models.CharField(max_length=3, choices=choices(TimeInForce))
    quantity = amount()
    limit_price = amount(null=True)
    filled_quantity = amount(default=0)
    state = models.CharField(max_length=10)
    ended_as = models.CharField(max_length=20, default="", blank=True)
    sent_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="smart_child_quantity_positive"),
            models.CheckConstraint(condition=Q(filled_quantity__gte=0), name="smart_child_filled_not_negative"),
        ]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.venue} {self.quantity:f} ({self.state})"
