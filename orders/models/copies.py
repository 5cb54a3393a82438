"""What we keep for venues that keep no drop copy of their own with numbers: their names for our orders, and reports."""

from __future__ import annotations

from django.db import models

from orders.models.columns import amount


class VenueOrderName(models.Model):
    """One name under which a venue knows an order of ours: the order's own id, and one more for each replace.

    `name` is what we call it there (Alpaca's client_order_id); `venue_order_id` what the venue calls it, once it has
    said so. `sent_at` is the last attempt to tell the venue, which is stored before the call. Whether the order itself
    has ended under this name, and will not be heard of any more unless by surprise, stands in `has_ended`.
    """

    pk = models.CompositePrimaryKey("venue", "name")
    venue = models.CharField(max_length=24)
    name = models.CharField(max_length=64)
    order_id = models.UUIDField()
    number = models.PositiveIntegerField()
    venue_order_id = models.CharField(max_length=64, null=True)
    sent_at = models.DateTimeField()
    has_ended = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["venue", "order_id", "number"], name="venue_order_name_numbered"),
            models.UniqueConstraint(fields=["venue", "venue_order_id"], name="venue_order_name_unique"),
        ]
        indexes = [
            models.Index(fields=["venue", "sent_at"], name="venue_order_name_open", condition=models.Q(has_ended=False))
        ]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.venue} {self.name}"


class VenueReportCopy(models.Model):
    """A venue's report as its adapter understood it, numbered in the order of its arrival: our drop copy of it.

    `cumulative_quantity` is what the venue's order had filled after a trade, by which the same trade is known again
    when another of the venue's records tells of it. `message` is what the venue sent, where that is text.
    """

    id = models.BigAutoField(primary_key=True)
    venue = models.CharField(max_length=24)
    order_id = models.UUIDField()
    exec_id = models.CharField(max_length=64)
    venue_order_id = models.CharField(max_length=64)
    cumulative_quantity = amount(null=True)
    report = models.JSONField()
    message = models.TextField(default="", db_default="", blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["venue", "exec_id"], name="venue_report_copy_once")]
        indexes = [
            models.Index(fields=["venue", "id"], name="venue_report_copy_drop_copy"),
            models.Index(fields=["order_id", "id"], name="venue_report_copy_order"),
        ]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.venue} {self.exec_id}"
