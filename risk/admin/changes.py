"""Change requests: before and after, approved or rejected by a second person."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from risk import services
from risk.admin.desk import DeskAdmin, actor_of, attempt, scope_of
from risk.admin.forms import ReasonForm
from risk.models import ChangeRequest
from trading_portal.kernel import clock

RELEASE_NOTES = (
    "Releasing lets new orders in again. It does not bring back what was cancelled, "
    "and it does not undo anything that traded.",
    "Other switches stay as they are: releasing an account never lifts the firm's.",
)


@admin.register(ChangeRequest)
class ChangeRequestAdmin(DeskAdmin):
    """Decide on changes; nobody decides on their own."""

    list_display = ("kind", "scope", "was", "becomes", "state", "proposed_by", "proposed", "reason")
    list_filter = ("state", "kind")
    list_select_related = ("account", "instrument", "proposed_by")
    search_fields = ("account__number", "instrument__symbol", "reason")
    ordering = ("-proposed_at",)

    @admin.display(description="scope")
    def scope(self, row: ChangeRequest) -> str:
        """Name the scope."""
        return scope_of(row)

    @admin.display(description="before")
    def was(self, row: ChangeRequest) -> str:
        """Return what holds now."""
        return words(row.before)

    @admin.display(description="after")
    def becomes(self, row: ChangeRequest) -> str:
        """Return what would hold."""
        return words(row.after)

    @admin.display(description="proposed", ordering="proposed_at")
    def proposed(self, row: ChangeRequest) -> str:
        """Return when it was asked for."""
        return f"{row.proposed_at:%Y-%m-%d %H:%M:%S} UTC"

    def get_urls(self) -> list[URLPattern]:
        """Add the pages that decide."""
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:change_id>/approve/", wrap(self.approve_view), name="risk_changerequest_approve"),
            path("<uuid:change_id>/reject/", wrap(self.reject_view), name="risk_changerequest_reject"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a change and who may decide on it."""
        row: ChangeRequest = self.found(request, object_id)
        is_pending = row.state == ChangeRequest.State.PENDING
        can_decide = is_pending and self.has_change_permission(request, row)
        is_own = row.proposed_by_id == request.user.pk
        return self.page(
            request,
            title=f"{row.get_kind_display()}: {scope_of(row)}",
            row=row,
            template="admin/risk/change.html",
            facts=_facts(row),
            before=row.before.items(),
            after=row.after.items(),
            notes=RELEASE_NOTES if row.kind == ChangeRequest.Kind.KILL_SWITCH_RELEASE else (),
            can_approve=can_decide and not is_own,
            can_reject=can_decide,
            is_own=is_own and is_pending,
        )

    def approve_view(self, request: HttpRequest, change_id: UUID) -> HttpResponse:
        """Ask once more, then approve."""
        row: ChangeRequest = self.found(request, str(change_id), to_change=True)
        if request.method == "POST":
            outcome = attempt(
                request,
                lambda: services.change_approve(change_id=change_id, by=actor_of(request), at=clock.now()),
            )
            if outcome is not None:
                self.log_change(request, row, f"{outcome.state}: {words(row.after)}. {row.reason}")
                self.tell(request, outcome, applied="The change is approved and holds from now on.")
                return self.back()
        is_release = row.kind == ChangeRequest.Kind.KILL_SWITCH_RELEASE
        return self.form_page(
            request,
            forms.Form(),
            title="Approve this change?",
            button="Approve",
            facts={**_facts(row), "Before": words(row.before), "After": words(row.after)},
            notes=RELEASE_NOTES if is_release else (),
            row=row,
        )

    def reject_view(self, request: HttpRequest, change_id: UUID) -> HttpResponse:
        """Ask why, then reject."""
        row: ChangeRequest = self.found(request, str(change_id), to_change=True)
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            why = form.cleaned_data["reason"]
            outcome = attempt(
                request,
                lambda: services.change_reject(change_id=change_id, reason=why, by=actor_of(request), at=clock.now()),
            )
            if outcome is not None:
                self.log_change(request, row, f"rejected: {why}")
                self.tell(request, outcome, applied="")
                return self.back()
        return self.form_page(request, form, title="Reject this change?", button="Reject", facts=_facts(row), row=row)


def words(setting: dict[str, Any]) -> str:
    """Return a setting in a line."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in setting.items() if value != "") or "-"


def _facts(row: ChangeRequest) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "Scope": scope_of(row),
        "Reason": row.reason,
        "Proposed": f"{row.proposed_by} at {row.proposed_at:%Y-%m-%d %H:%M:%S} UTC",
        "State": row.get_state_display(),
    }
    if row.decided_at is not None:
        facts["Decided"] = f"{row.decided_by} at {row.decided_at:%Y-%m-%d %H:%M:%S} UTC"
    if row.decision_reason:
        facts["Said"] = row.decision_reason
    if row.reverts_at is not None:
        facts["Reverts"] = f"{row.reverts_at:%Y-%m-%d %H:%M:%S} UTC"
    if row.reverted_at is not None:
        facts["Reverted"] = f"{row.reverted_at:%Y-%m-%d %H:%M:%S} UTC"
    return facts
