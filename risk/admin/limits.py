"""Limits: what is used, what is left, what waits; every edit is a service's."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from risk import services
from risk.admin.desk import DeskAdmin, actor_of, attempt, scope_of
from risk.admin.forms import LimitAddForm, LimitForm
from risk.domain.records import grouped
from risk.models import ChangeRequest, Limit
from risk.selectors.checking import scope_name
from risk.selectors.utilisation import Use, utilisation_top
from trading_portal.kernel import clock
from trading_portal.kernel.money import plain

EVERY = 10_000
PER_ORDER = frozenset({"max_quantity", "max_notional", "price_collar", "order_rate", "duplicate_window", "stale_price"})


class LimitList(ChangeList):
    """A page of limits with what is used of each and what waits for it."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, then use and pending changes for all its rows at once."""
        super().get_results(request)
        rows = list(self.result_list)
        uses = utilisation_top(clock.now(), EVERY)
        waiting = ChangeRequest.objects.filter(
            target_id__in=[row.id for row in rows], state=ChangeRequest.State.PENDING
        )
        pending = {change.target_id: change for change in waiting}
        for row in rows:
            row.use = next((use for use in uses if is_of(use, row)), None)
            row.pending = pending.get(row.id)
        self.result_list = rows


def is_of(use: Use, limit: Limit) -> bool:
    """Tell whether this limit is the one that holds for a use."""
    return (
        use.rule == limit.rule
        and use.limit_scope == scope_name(limit.account_id, limit.instrument_id)
        and limit.account_id in (None, use.account_id)
        and (limit.instrument is None or limit.instrument.symbol == use.symbol)
    )


@admin.register(Limit)
class LimitAdmin(DeskAdmin):
    """Change limits: tighter at once, looser by two."""

    list_display = ("rule", "scope", "value_plain", "is_enforced", "used", "headroom", "pending", "version")
    list_filter = ("rule", "is_enforced")
    search_fields = ("account__number", "instrument__symbol")
    list_select_related = ("account", "instrument")
    ordering = ("rule", "account__number", "instrument__symbol")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let officers give a scope a limit of its own."""
        return super(DeskAdmin, self).has_add_permission(request)

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        """Show use and pending changes."""
        return LimitList

    @admin.display(description="scope")
    def scope(self, row: Limit) -> str:
        """Name the scope."""
        return scope_of(row)

    @admin.display(description="limit", ordering="value")
    def value_plain(self, row: Limit) -> str:
        """Return the limit without trailing zeros, and how long a temporary one holds."""
        until = f" until {row.temporary_until:%Y-%m-%d %H:%M} UTC" if row.temporary_until else ""
        return f"{grouped(plain(row.value))}{until}"

    @admin.display(description="used")
    def used(self, row: Any) -> str:
        """Show the fullest use of it as a meter, with whose it is."""
        if row.use is None:
            return "per order" if row.rule in PER_ORDER else "not used"
        return format_html(
            '<meter min="0" max="100" low="80" high="99.9" optimum="0" value="{}"></meter> {}% · {} {}',
            min(row.use.percent, 100),
            plain(row.use.percent),
            row.use.account,
            row.use.symbol,
        )

    @admin.display(description="headroom")
    def headroom(self, row: Any) -> str:
        """Return what is left of it."""
        return row.use.headroom_shown if row.use else "-"

    @admin.display(description="pending change")
    def pending(self, row: Any) -> str:
        """Link to the change that waits."""
        if row.pending is None:
            return "-"
        return format_html('<a href="../changerequest/{}/change/">{}</a>', row.pending.pk, row.pending.after["value"])

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search by account number and symbol."""
        return super().get_search_results(request, queryset.select_related("account", "instrument"), search_term)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Give a scope a limit of its own."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = LimitAddForm(request.POST or None, initial={"is_enforced": True})
        if request.method == "POST" and form.is_valid():
            outcome = attempt(
                request,
                lambda: services.limit_create(
                    rule=form.cleaned_data["rule"],
                    value=form.cleaned_data["value"],
                    is_enforced=form.cleaned_data["is_enforced"],
                    reverts_at=form.cleaned_data["reverts_at"],
                    reason=form.cleaned_data["reason"],
                    by=actor_of(request),
                    at=clock.now(),
                    **form.scope(),
                ),
            )
            if outcome is not None:
                row = Limit(id=outcome.target_id, rule=form.cleaned_data["rule"], value=form.cleaned_data["value"])
                self.log_addition(request, row, f"{outcome.state}: {form.cleaned_data['reason']}")
                self.tell(request, outcome, applied="The limit holds from the next order on.")
                return self.back()
        return self.form_page(request, form, title="Add limit", button="Save")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a limit and change it."""
        row: Limit = self.found(request, object_id, to_change=request.method == "POST")
        standing = {"value": plain(row.value), "is_enforced": row.is_enforced, "version": row.version}
        form = LimitForm(request.POST or None, initial=standing, rule=row.rule)
        if request.method == "POST" and form.is_valid() and self._change(request, row, form):
            return self.back()
        can_change = self.has_change_permission(request, row)
        return self.form_page(
            request,
            form,
            title=f"{row.get_rule_display()}: {scope_of(row)}",
            button="Save" if can_change else "",
            facts=_facts(row),
            row=row,
            notes=(
                "Tighter holds at once, from the next order on. Looser waits until a second person approves it.",
                "Limits of an account beat those of an instrument, and both beat the firm's.",
            ),
        )

    def _change(self, request: HttpRequest, row: Limit, form: LimitForm) -> bool:
        """Ask the service; tell whether it did anything."""
        asked = form.cleaned_data
        outcome = attempt(
            request,
            lambda: services.limit_change(
                limit_id=row.id,
                value=asked["value"],
                is_enforced=asked["is_enforced"],
                reason=asked["reason"],
                by=actor_of(request),
                at=clock.now(),
                reverts_at=asked["reverts_at"],
                expected_version=asked["version"],
            ),
        )
        if outcome is None:
            return False
        before, after = plain(row.value), plain(asked["value"])
        self.log_change(request, row, f"{outcome.state}: {before} → {after}. {asked['reason']}")
        self.tell(request, outcome, applied="The limit holds from the next order on.")
        return True


def _facts(row: Limit) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "Scope": scope_of(row),
        "Limit": grouped(plain(row.value)),
        "Enforced": "yes" if row.is_enforced else "no",
        "Version": row.version,
        "Changed": f"{row.changed_at:%Y-%m-%d %H:%M:%S} UTC",
    }
    if row.temporary_until is not None:
        standing = "the wider limit" if row.standing_value is None else plain(row.standing_value)
        facts["Temporary"] = f"until {row.temporary_until:%Y-%m-%d %H:%M:%S} UTC, then {standing}"
    return facts
