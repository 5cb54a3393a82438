"""People and their accounts, for those who may manage them."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from accounts.models import TradingAccount, User
from accounts.services import account_configure
from audit.domain.types import Actor
from trading_portal.kernel import clock


@admin.register(User)
class PersonAdmin(UserAdmin):
    """Make people, set their groups and passwords."""

    show_full_result_count = False


@admin.register(TradingAccount)
class TradingAccountAdmin(admin.ModelAdmin):
    """List accounts, and say which may sell short; what changes goes through the service, which tells the log."""

    list_display = ("number", "name", "owner", "base_currency", "status", "may_short")
    list_filter = ("status", "may_short")
    search_fields = ("number", "name")
    ordering = ("number",)
    readonly_fields = ("number", "name", "owner", "base_currency", "status", "is_paper", "opened_at")
    fields = (*readonly_fields, "may_short")
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Leave opening to the services, which tell the log."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: TradingAccount | None = None) -> bool:
        """Keep what orders and money point at."""
        return False

    def save_model(
        self, request: HttpRequest, obj: TradingAccount, form: forms.ModelForm[TradingAccount], change: bool
    ) -> None:
        """Set what the account may do."""
        by = Actor.user(cast(UUID, request.user.pk))
        account_configure(account_id=obj.id, may_short=obj.may_short, by=by, at=clock.now())
