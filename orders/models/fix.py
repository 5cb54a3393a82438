"""FIX sessions of partners: their sequence numbers, what they were sent, and what they asked."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from orders.domain.types import IntentKind
from orders.models.columns import choices
from orders.models.order import Order
from trading_portal.kernel.ids import uuid7


class FixSession(models.Model):
    """One API key's FIX session, which outlives its connections.

    `next_sender` and `next_target` are the numbers of the next message to and from the partner; `cursor` is the
    account's event up to which the partner has been told: all three move in the transaction that stores what was sent.
    Each connection takes a new `fence`: an older one that still runs can store, and so send, nothing more.
    `cancel_due_at` is when its orders are to be cancelled, unless it comes back before.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key = models.OneToOneField("accounts.ApiKey", on_delete=models.PROTECT, related_name="+")
    next_sender = models.BigIntegerField(default=1)
    next_target = models.BigIntegerField(default=1)
    cursor = models.BigIntegerField()
    fence = models.BigIntegerField(default=0)
    cancels_on_disconnect = models.BooleanField(default=False)
    tells_account = models.BooleanField(default=False)
    is_connected = models.BooleanField(default=False)
    address = models.CharField(max_length=45, blank=True)
    connected_at = models.DateTimeField(null=True)
    disconnected_at = models.DateTimeField(null=True)
    cancel_due_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(next_sender__gte=1, next_target__gte=1), name="fix_session_numbers_positive"
            )
        ]
        indexes = [
            models.Index(
                fields=["cancel_due_at"], name="fix_session_cancel_due", condition=Q(cancel_due_at__isnull=False)
            )
        ]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"FIX session of {self.key_id}"


class FixMessage(models.Model):
    """One application message as it was sent, to be sent again when the partner asks."""

    id = models.BigAutoField(primary_key=True)
    session = models.ForeignKey(FixSession, on_delete=models.CASCADE, related_name="messages", db_index=False)
    number = models.BigIntegerField()
    text = models.TextField()
    sent_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["session", "number"], name="fix_message_once")]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.session_id} #{self.number}"


class FixRequest(models.Model):
    """One cancel or replace that a partner asked for; stored before it is done, so that a repeat is known.

    Its ClOrdID names the answers; `correlation_id` joins it to its events. Answered once the partner was told how it
    ended.
    """

    id = models.BigAutoField(primary_key=True)
    session = models.ForeignKey(FixSession, on_delete=models.CASCADE, related_name="requests", db_index=False)
    client_order_id = models.CharField(max_length=128)
    original_id = models.CharField(max_length=128)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=8, choices=choices(IntentKind))
    correlation_id = models.UUIDField()
    requested_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["session", "client_order_id"], name="fix_request_once")]
        indexes = [models.Index(fields=["session"], name="fix_request_open", condition=Q(answered_at__isnull=True))]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.client_order_id}"
