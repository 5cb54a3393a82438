"""The forms of the risk desk: strict numbers, named scopes, and always a reason."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone

from accounts.domain.types import AccountFacts
from accounts.selectors import account_by_number
from marketdata.domain.types import InstrumentFacts
from marketdata.selectors import instruments_by_symbol
from risk.domain.limits import value_parse
from risk.domain.types import Mode
from risk.models import Rule
from risk.services.desk import REASON_LENGTH


class ReasonForm(forms.Form):
    """Ask why."""

    reason = forms.CharField(
        max_length=REASON_LENGTH,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        help_text="Kept in the log with your name.",
    )


class ScopeForm(forms.Form):
    """Name a scope as people know it: an account's number, a symbol; empty is every one."""

    account = forms.CharField(required=False, max_length=20, help_text="The account's number. Empty is every account.")
    symbol = forms.CharField(required=False, max_length=24, help_text="Empty is every instrument.")

    def clean_account(self) -> AccountFacts | None:
        """Find the account."""
        number = self.cleaned_data["account"].strip()
        found = account_by_number(number) if number else None
        if number and found is None:
            raise forms.ValidationError(f"There is no account {number}.")
        return found

    def clean_symbol(self) -> InstrumentFacts | None:
        """Find the instrument."""
        symbol = self.cleaned_data["symbol"].strip().upper()
        found = instruments_by_symbol([symbol]).get(symbol) if symbol else None
        if symbol and found is None:
            raise forms.ValidationError(f"There is no instrument {symbol}.")
        return found

    def scope(self) -> dict[str, Any]:
        """Return the scope as services take it."""
        account, instrument = self.cleaned_data["account"], self.cleaned_data["symbol"]
        return {
            "account_id": account.id if account else None,
            "instrument_id": instrument.id if instrument else None,
        }


class LimitForm(ReasonForm):
    """Ask what a limit should say, as of which version, and until when."""

    value = forms.CharField(max_length=30, widget=forms.TextInput(attrs={"inputmode": "decimal"}))
    is_enforced = forms.BooleanField(required=False, label="Enforced", help_text="Off takes two people.")
    reverts_at = forms.DateTimeField(
        required=False,
        label="Until (UTC)",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text="Only for loosening: the limit goes back by itself then. Empty is for good.",
    )
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)
    field_order = ("rule", "account", "symbol", "value", "is_enforced", "reverts_at", "reason", "version")

    def __init__(self, *args: Any, rule: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        self.of_rule = rule

    def clean_value(self) -> Decimal:
        """Take only a plain number that the rule can have."""
        rule = self.of_rule or self.data.get("rule", "")
        value = value_parse(rule, self.cleaned_data["value"])
        if value is None:
            raise forms.ValidationError("This limit cannot have that value. Write a plain number, like 1000 or 0.05.")
        return value

    def clean_reverts_at(self) -> datetime | None:
        """Read the time as UTC, as the page says."""
        at: datetime | None = self.cleaned_data["reverts_at"]
        return at if at is None or timezone.is_aware(at) else timezone.make_aware(at)


class LimitAddForm(ScopeForm, LimitForm):
    """Ask for a limit of a scope of its own."""

    rule = forms.ChoiceField(choices=Rule.choices)


class StateForm(ReasonForm):
    """Ask what a scope may do."""

    state = forms.ChoiceField(choices=[(mode.value, mode.value) for mode in Mode])
    field_order = ("account", "symbol", "state", "reason")


class StateAddForm(ScopeForm, StateForm):
    """Ask what a scope of its own may do."""


class SwitchScopeForm(ScopeForm):
    """Name what a kill switch is to stop."""

    venue = forms.SlugField(required=False, max_length=24, help_text="Empty is every venue.")

    def scope(self) -> dict[str, Any]:
        """Return the scope as services take it."""
        return {**super().scope(), "venue": self.cleaned_data["venue"]}


class LatchForm(SwitchScopeForm, ReasonForm):
    """Name it again, say why, and mean it."""

    confirmed = forms.BooleanField(label="Stop this scope and cancel everything that is open in it")
    field_order = ("account", "symbol", "venue", "reason", "confirmed")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"auto_id": "latch_%s", **options})
        for name in ("account", "symbol", "venue"):
            self.fields[name].widget = forms.HiddenInput()
