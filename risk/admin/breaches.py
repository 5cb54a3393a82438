"""Breaches: what was refused and what came near, until somebody has seen it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from risk import services
from risk.admin.desk import DeskAdmin, actor_of, attempt, scope_of
from risk.admin.forms import ReasonForm
from risk.domain.reasons import sentence
from risk.models import Breach
from trading_portal.kernel import clock


class NoteForm(ReasonForm):
    """Ask what an officer says of a breach."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["reason"].label = "Note"


@admin.register(Breach)
class BreachAdmin(DeskAdmin):
    """Show breaches, the newest first; acknowledge them."""

    list_display = ("breached", "severity", "scope", "code", "what", "acknowledged_by")
    list_filter = ("severity", ("acknowledged_at", admin.EmptyFieldListFilter), "code")
    list_select_related = ("account", "instrument", "acknowledged_by")
    search_fields = ("account__number", "instrument__symbol", "code")
    ordering = ("-breached_at",)
    actions = ("acknowledge",)

    @admin.display(description="when", ordering="breached_at")
    def breached(self, row: Breach) -> str:
        """Return when."""
        return f"{row.breached_at:%Y-%m-%d %H:%M:%S} UTC"

    @admin.display(description="scope")
    def scope(self, row: Breach) -> str:
        """Name whose."""
        return scope_of(row)

    @admin.display(description="what")
    def what(self, row: Breach) -> str:
        """Say what happened."""
        return said(row)

    @admin.action(description="Acknowledge", permissions=["change"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask for a note, then acknowledge the chosen breaches."""
        form = NoteForm(request.POST if "confirm" in request.POST else None)
        rows = list(queryset.filter(acknowledged_at=None))
        if "confirm" not in request.POST or not form.is_valid():
            return self.form_page(
                request,
                form,
                title="Acknowledge these breaches?",
                button="Acknowledge",
                facts={f"{row.code} {scope_of(row)}": said(row) for row in rows},
                action="acknowledge",
                selected=[str(row.pk) for row in rows],
            )
        done = sum(self._acknowledge(request, row, form.cleaned_data["reason"]) for row in rows)
        messages.success(request, f"Acknowledged {done}.")
        return None

    def _acknowledge(self, request: HttpRequest, row: Breach, note: str) -> bool:
        def work() -> bool:
            services.breach_acknowledge(breach_id=row.pk, note=note, by=actor_of(request), at=clock.now())
            return True

        if not attempt(request, work):
            return False
        self.log_change(request, row, f"acknowledged: {note}")
        return True

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a breach and acknowledge it."""
        row: Breach = self.found(request, object_id, to_change=request.method == "POST")
        form = NoteForm(request.POST or None)
        is_said = request.method == "POST" and form.is_valid()
        if is_said and self._acknowledge(request, row, form.cleaned_data["reason"]):
            messages.success(request, "Acknowledged.")
            return self.back()
        is_open = row.acknowledged_at is None and self.has_change_permission(request, row)
        facts: dict[str, Any] = {
            "When": self.breached(row),
            "Scope": scope_of(row),
            "Severity": row.get_severity_display(),
            "What": said(row),
            "Order": row.order_id or "-",
        }
        if row.acknowledged_at is not None:
            facts["Acknowledged"] = f"{row.acknowledged_by} at {row.acknowledged_at:%Y-%m-%d %H:%M:%S} UTC: {row.note}"
        return self.form_page(
            request,
            form,
            title=f"{row.code}: {scope_of(row)}",
            button="Acknowledge" if is_open else "",
            facts={**facts, **row.facts},
            row=row,
        )


def said(row: Breach) -> str:
    """Return what happened as a sentence; a warning is told by its figures."""
    if row.severity == Breach.Severity.WARNING:
        return f"{row.facts.get('value', '-')} of {row.facts.get('limit', '-')} used"
    return sentence(row.code, row.facts)
