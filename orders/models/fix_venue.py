"""FIX sessions with venues: how far each is recorded, and under which names a venue knows our orders."""

from __future__ import annotations

from django.db import models

from orders.domain.types import IntentKind
from orders.models.columns import choices


class FixLink(models.Model):
    """One venue's session. Each start takes a new `generation`; an older process may not log on any more.

    Every message of the venue up to `received_up_to` is recorded; its numbers begin anew with each `era`.
    """

    venue = models.CharField(primary_key=True, max_length=24)
    generation = models.BigIntegerField()
    era = models.CharField(max_length=32, default="", blank=True)
    received_up_to = models.BigIntegerField(default=0)
    started_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.venue} {self.generation}"


class FixSent(models.Model):
    """One request to a venue under its ClOrdID, stored before it is sent: an order's own id, a replace's, a cancel's.

    `terms` are what was asked, as the adapter was told it.
    """

    pk = models.CompositePrimaryKey("venue", "name")
    venue = models.CharField(max_length=24)
    name = models.CharField(max_length=64)
    order_id = models.UUIDField()
    kind = models.CharField(max_length=8, choices=choices(IntentKind))
    terms = models.JSONField()
    sent_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.venue} {self.name}"
