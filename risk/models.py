"""Limits, states and switches, and every decision made with them."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q

from trading_portal.kernel.ids import uuid7


class Rule(models.TextChoices):
    """Name the rules whose limit an officer sets; unit in brackets."""

    MAX_QUANTITY = "max_quantity", "Max order quantity [units]"
    MAX_NOTIONAL = "max_notional", "Max order notional [account currency]"
    PRICE_COLLAR = "price_collar", "Price collar [fraction of the reference]"
    MAX_POSITION = "max_position", "Max position [units]"
    CONCENTRATION = "concentration", "Concentration [fraction of equity]"
    ORDER_RATE = "order_rate", "Order rate [orders per second]"
    DUPLICATE_WINDOW = "duplicate_window", "Duplicate window [seconds]"
    MAX_OPEN_ORDERS = "max_open_orders", "Max open orders [orders]"
    STALE_PRICE = "stale_price", "Stale price [seconds]"
    SHORT_VALUE = "short_value", "Max value sold short [account currency]"


class Limit(models.Model):
    """Set one rule's limit for a scope; the narrowest scope that names an order decides.

    Scope is (account, instrument): both null is the firm; an account's row beats the firm's,
    a row with an instrument beats one without. `is_enforced=False` switches the rule off there (four-eyes).
    From `temporary_until` on, the standing value holds again; a row without one is as if it were not there.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    rule = models.CharField(max_length=20, choices=Rule)
    account = models.ForeignKey("accounts.TradingAccount", null=True, blank=True, on_delete=models.PROTECT)
    instrument = models.ForeignKey("marketdata.Instrument", null=True, blank=True, on_delete=models.PROTECT)
    value = models.DecimalField(max_digits=28, decimal_places=10)
    is_enforced = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1)
    changed_at = models.DateTimeField()
    temporary_until = models.DateTimeField(null=True, blank=True)
    standing_value = models.DecimalField(max_digits=28, decimal_places=10, null=True, blank=True)
    standing_is_enforced = models.BooleanField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "account", "instrument"], name="limit_once_per_scope", nulls_distinct=False
            ),
            models.CheckConstraint(condition=Q(value__gte=0, value__lt=10**15), name="limit_value_sane"),
            models.CheckConstraint(
                condition=~Q(rule="order_rate") | Q(instrument__isnull=True), name="limit_order_rate_is_per_account"
            ),
            models.CheckConstraint(
                condition=Q(standing_value__isnull=True, standing_is_enforced__isnull=True)
                | Q(
                    standing_value__isnull=False,
                    standing_is_enforced__isnull=False,
                    temporary_until__isnull=False,
                ),
                name="limit_standing_value_of_a_temporary_one",
            ),
        ]
        # The sweep looks every five seconds for the few that are over, of thousands that are for ever.
        indexes = [
            models.Index(fields=["temporary_until"], name="limit_temporary", condition=Q(temporary_until__isnull=False))
        ]
        default_permissions = ("add", "change", "view")

    def __str__(self) -> str:
        return f"{self.rule} {self.value:f}"


class ChangeRequest(models.Model):
    """Ask for a limit to be loosened, a switch released or a state relaxed: a second person must approve.

    `target_id` names the Limit, KillSwitch or TradingState; `target_version` is the version proposed on,
    0 for a limit that is not there yet. An approval after the target moved is stale.
    """

    class Kind(models.TextChoices):
        LIMIT = "limit"
        KILL_SWITCH_RELEASE = "kill_switch_release"
        TRADING_STATE = "trading_state"

    class State(models.TextChoices):
        PENDING = "pending"
        APPROVED = "approved"
        REJECTED = "rejected"
        STALE = "stale"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=24, choices=Kind)
    target_id = models.UUIDField()
    target_version = models.PositiveIntegerField(default=0)
    account = models.ForeignKey("accounts.TradingAccount", null=True, on_delete=models.PROTECT)
    instrument = models.ForeignKey("marketdata.Instrument", null=True, on_delete=models.PROTECT)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    reason = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField()
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    decision_reason = models.TextField(blank=True)
    reverts_at = models.DateTimeField(null=True, blank=True)
    reverted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="approved") | (Q(decided_by__isnull=False) & ~Q(decided_by=F("proposed_by"))),
                name="change_approved_by_another_person",
            ),
            models.CheckConstraint(
                condition=Q(state="pending", decided_at__isnull=True, decided_by__isnull=True)
                | Q(state__in=["approved", "rejected", "stale"], decided_at__isnull=False, decided_by__isnull=False),
                name="change_pending_is_undecided",
            ),
            models.UniqueConstraint(
                fields=["target_id"], name="change_pending_once_per_target", condition=Q(state="pending")
            ),
        ]
        indexes = [
            models.Index(
                fields=["reverts_at"],
                name="change_to_revert",
                condition=Q(state="approved", reverts_at__isnull=False, reverted_at__isnull=True),
            ),
        ]
        default_permissions = ("change", "view")

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"


class TradingState(models.Model):
    """Say what a scope may do: ACTIVE anything, REDUCING only exits, HALTED only cancels. Both null is the firm."""

    class State(models.TextChoices):
        ACTIVE = "ACTIVE"
        REDUCING = "REDUCING"
        HALTED = "HALTED"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey("accounts.TradingAccount", null=True, blank=True, on_delete=models.PROTECT)
    instrument = models.ForeignKey("marketdata.Instrument", null=True, blank=True, on_delete=models.PROTECT)
    state = models.CharField(max_length=8, choices=State, default=State.ACTIVE)
    reason = models.CharField(max_length=200, blank=True)
    version = models.PositiveIntegerField(default=1)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "instrument"], name="trading_state_once_per_scope", nulls_distinct=False
            )
        ]
        default_permissions = ("add", "change", "view")

    def __str__(self) -> str:
        return self.state


class KillSwitch(models.Model):
    """Stop a scope: latched until released by two people. All of account, instrument and venue null is the firm."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey("accounts.TradingAccount", null=True, blank=True, on_delete=models.PROTECT)
    instrument = models.ForeignKey("marketdata.Instrument", null=True, blank=True, on_delete=models.PROTECT)
    venue = models.CharField(max_length=24, blank=True, default="")
    reason = models.CharField(max_length=200)
    version = models.PositiveIntegerField(default=1)
    latched_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    latched_at = models.DateTimeField()
    released_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    released_at = models.DateTimeField(null=True)
    orders_to_cancel = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "instrument", "venue"],
                name="kill_switch_latched_once",
                condition=Q(released_at__isnull=True),
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(released_at__isnull=True, released_by__isnull=True)
                | Q(released_at__isnull=False, released_by__isnull=False),
                name="kill_switch_released_by_a_person",
            ),
        ]
        verbose_name_plural = "kill switches"
        default_permissions = ("add", "change", "view")

    def __str__(self) -> str:
        return "latched" if self.released_at is None else "released"


class Decision(models.Model):
    """Keep what the check of one order looked at and found, also when it refused.

    Written and read through risk.domain.records; newest first is by order_id, which grows with time.
    """

    order_id = models.UUIDField(primary_key=True)
    account = models.ForeignKey(
        "accounts.TradingAccount", on_delete=models.PROTECT, db_index=False, db_constraint=False
    )
    instrument = models.ForeignKey(
        "marketdata.Instrument", on_delete=models.PROTECT, db_index=False, db_constraint=False
    )
    is_approved = models.BooleanField()
    inputs = models.JSONField()
    checks = models.JSONField()
    reasons = models.JSONField()
    decided_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["account", "-decided_at"], name="decision_account_time")]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return "approved" if self.is_approved else "refused"


class OrderFingerprint(models.Model):
    """Remember what an account ordered a moment ago, to catch a duplicate; swept when older than any window."""

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(
        "accounts.TradingAccount", on_delete=models.PROTECT, db_index=False, db_constraint=False
    )
    fingerprint = models.BinaryField(max_length=16)
    placed_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["account", "fingerprint", "placed_at"], name="fingerprint_lookup"),
            BrinIndex(fields=["placed_at"], name="fingerprint_sweep"),
        ]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.account_id} {self.placed_at}"


class OrderCount(models.Model):
    """Count an account's newest orders in tenths of a second: the rate is a sum, and never too low.

    `counts[0]` is the tenth numbered `tenth` (since 1970), `counts[1]` the one before it, and so on.
    """

    account = models.OneToOneField("accounts.TradingAccount", on_delete=models.CASCADE, primary_key=True)
    tenth = models.BigIntegerField()
    counts = ArrayField(models.PositiveIntegerField())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.account_id} {sum(self.counts)}"


class Breach(models.Model):
    """Show a risk officer that a limit refused an order or was nearly reached."""

    class Severity(models.TextChoices):
        WARNING = "warning"
        REFUSED = "refused"
        CRITICAL = "critical"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey("accounts.TradingAccount", null=True, on_delete=models.PROTECT, db_index=False)
    instrument = models.ForeignKey("marketdata.Instrument", null=True, on_delete=models.PROTECT, db_index=False)
    order_id = models.UUIDField(null=True)
    severity = models.CharField(max_length=8, choices=Severity)
    code = models.CharField(max_length=40)
    facts = models.JSONField(default=dict)
    breached_at = models.DateTimeField()
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["-breached_at"], name="breach_newest"),
            models.Index(fields=["account", "-breached_at"], name="breach_account_newest"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["order_id", "code"], name="breach_once_per_order_and_code"),
        ]
        verbose_name_plural = "breaches"
        default_permissions = ("view", "change")

    def __str__(self) -> str:
        return self.code
