"""The event log and what reads it."""

from __future__ import annotations

from django.db import models
from django.db.models.expressions import Func

from trading_portal.kernel.ids import uuid7


class Xid8Field(models.BigIntegerField):
    """Hold a PostgreSQL transaction id of 64 bits, which never wraps."""

    def db_type(self, connection: object) -> str:
        """Return PostgreSQL's own type."""
        return "xid8"


class Event(models.Model):
    """Record one thing that happened; never changed, never removed (triggers and rights see to it)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    xid = Xid8Field(editable=False, db_default=Func(function="pg_current_xact_id"))
    stream = models.CharField(max_length=80)
    sequence = models.BigIntegerField()
    account_id = models.UUIDField(null=True)
    account_sequence = models.BigIntegerField(null=True)
    type = models.CharField(max_length=60)
    version = models.PositiveSmallIntegerField()
    payload = models.JSONField()
    actor = models.CharField(max_length=80)
    correlation_id = models.UUIDField()
    causation_id = models.UUIDField(null=True)
    valid_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "sequence"], name="event_once_per_stream"),
            models.UniqueConstraint(
                fields=["account_id", "account_sequence"],
                name="event_once_per_account",
                condition=models.Q(account_id__isnull=False),
            ),
            models.CheckConstraint(condition=models.Q(sequence__gt=0), name="event_sequence_positive"),
            models.CheckConstraint(
                condition=models.Q(account_id__isnull=True, account_sequence__isnull=True)
                | models.Q(account_id__isnull=False, account_sequence__gt=0),
                name="event_account_sequence_with_account",
            ),
        ]
        indexes = [
            models.Index(fields=["xid", "id"], name="event_relay_order"),
            models.Index(fields=["correlation_id"], name="event_correlation"),
        ]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.stream} #{self.sequence} {self.type}"


class StreamHead(models.Model):
    """Hold the last sequence given out in a stream that no order or account row counts."""

    stream = models.CharField(primary_key=True, max_length=80)
    sequence = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.stream} at {self.sequence}"


class Cursor(models.Model):
    """Hold how far one consumer of the log has read: the last (xid, event id) whose effect is done."""

    consumer = models.CharField(primary_key=True, max_length=60)
    xid = Xid8Field()
    event_id = models.UUIDField()
    moved_at = models.DateTimeField()

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.consumer} at {self.xid}/{self.event_id}"


class ParkedEvent(models.Model):
    """Hold an event that a consumer could not handle, so that it can go on and a person can look."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    consumer = models.CharField(max_length=60)
    event = models.ForeignKey(Event, on_delete=models.PROTECT)
    error = models.TextField()
    parked_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["consumer", "event"], name="parked_event_once")]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.consumer} parked {self.event_id}"
