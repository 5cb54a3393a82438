"""People, their trading accounts, and the keys that act for them."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from trading_portal.kernel.ids import uuid7


class User(AbstractUser):
    """A person who signs in: a trader, a risk officer or a partner."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    time_zone = models.CharField(max_length=64, default="UTC")
    theme = models.CharField(max_length=8, default="auto", choices=[(x, x) for x in ("auto", "dark", "light")])
    preferences = models.JSONField(default=dict, blank=True)


class TradingAccount(models.Model):
    """Hold money and positions for one owner; its row is the lock of everything in it."""

    class Status(models.TextChoices):
        ACTIVE = "ACTIVE"
        CLOSED = "CLOSED"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    number = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=80)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="trading_accounts")
    base_currency = models.CharField(max_length=8, default="USD")
    status = models.CharField(max_length=8, choices=Status, default=Status.ACTIVE)
    is_paper = models.BooleanField(default=True)
    may_short = models.BooleanField(default=False)
    event_sequence = models.BigIntegerField(default=0, editable=False)
    opened_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(event_sequence__gte=0), name="account_sequence_positive")]

    def __str__(self) -> str:
        return f"{self.number} {self.name}"


class Grant(models.Model):
    """Let a person other than the owner see an account, or trade in it."""

    class Permission(models.TextChoices):
        VIEW = "view"
        TRADE = "trade"

    account = models.ForeignKey(TradingAccount, on_delete=models.CASCADE, related_name="grants")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="grants")
    permission = models.CharField(max_length=8, choices=Permission)
    granted_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "user"], name="grant_once")]

    def __str__(self) -> str:
        return f"{self.user_id} may {self.permission} {self.account_id}"


class ApiKey(models.Model):
    """Let a program act for an account; only a hash of its secret is kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key_id = models.CharField(max_length=40, unique=True)
    secret_hash = models.BinaryField(max_length=32)
    name = models.CharField(max_length=80)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    account = models.ForeignKey(TradingAccount, on_delete=models.CASCADE, related_name="api_keys")
    scopes = ArrayField(models.CharField(max_length=40), default=list)
    allowed_networks = ArrayField(models.CharField(max_length=43), default=list, blank=True)
    orders_per_minute = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"
        default_permissions = ("view", "change")

    def __str__(self) -> str:
        return f"{self.name} ({self.key_id})"


class IdempotencyKey(models.Model):
    """Remember the answer given to a request, so that its repeat gets the same one."""

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(TradingAccount, on_delete=models.CASCADE)
    key = models.CharField(max_length=128)
    request_hash = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField()
    body = models.JSONField()
    answered_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "key"], name="idempotency_key_once")]
        default_permissions = ()

    def __str__(self) -> str:
        return self.key
