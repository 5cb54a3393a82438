"""People and the keys of their programs, for those who may manage them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from accounts.models import ApiKey, User
from accounts.services import api_key_revoke
from audit.domain.types import Actor
from trading_portal.kernel import clock


@admin.register(User)
class PersonAdmin(UserAdmin):
    """Make people, set their groups and passwords."""

    show_full_result_count = False


class StateFilter(admin.SimpleListFilter):
    """Tell keys that hold from those that were revoked."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        """Return the two there are."""
        return [("held", "Not revoked"), ("revoked", "Revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the keys asked for."""
        return queryset if self.value() is None else queryset.filter(revoked_at__isnull=self.value() == "held")


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin):
    """Show which programs may act for whom, and stop them: at once and for good, so it takes no second person."""

    list_display = ("key_id", "name", "revoked_at", "account", "user", "allowed", "expires_at", "created_at")
    list_filter = (StateFilter,)
    list_select_related = ("account", "user")
    search_fields = ("key_id__exact", "account__number__exact", "user__username__exact")
    search_help_text = "A key's id, an account's number, or a person's name, as it is."
    ordering = ("-created_at", "-id")
    exclude = ("secret_hash",)
    actions = ("revoke",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let nobody make keys here: whoever reads the page would read the secret."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let keys be revoked from the list, and nothing else of them be changed."""
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let nobody delete: the log names them."""
        return False

    @admin.display(description="may")
    def allowed(self, row: ApiKey) -> str:
        """Return what a key may do, and from where."""
        where = f" from {', '.join(row.allowed_networks)}" if row.allowed_networks else ""
        return f"{', '.join(row.scopes) or 'nothing'}{where}"

    @admin.action(description="Revoke the chosen keys, at once and for good", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Revoke every chosen key that still holds; their streams end too."""
        assert request.user.pk is not None
        by, at = Actor.user(request.user.pk), clock.now()
        held = list(queryset.filter(revoked_at=None).values_list("key_id", flat=True))
        for key_id in held:
            api_key_revoke(key_id=key_id, by=by, at=at)
        told = "1 key was revoked." if len(held) == 1 else f"{len(held)} keys were revoked."
        self.message_user(request, told, messages.SUCCESS if held else messages.WARNING)
