"""Orders, executions and parked reports as officers read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from audit.admin import ReadOnlyAdmin, identifier
from audit.domain.types import Actor
from orders.brokers.registry import ADAPTERS
from orders.domain.reasons import sentence
from orders.models import Breaker, Execution, Order, OrderVersion, ParkedReport, VenueAlert, VenueRoute
from orders.services.alerting import alerts_resolve, parked_reports_resolve
from orders.services.reapplying import parked_reports_apply
from orders.services.routing import venue_route_remove, venue_route_set
from trading_portal.kernel import clock


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    """Find orders by their ids, their client's id, what set them off, or their account."""

    list_display = (
        "placed_at", "account", "side", "quantity", "instrument", "type", "limit_price", "base", "filled_quantity",
        "average_price", "correlation_id",
    )  # fmt: skip
    list_filter = ("base",)
    list_select_related = ("account", "instrument")
    search_fields = ("client_order_id",)
    search_help_text = "An order's, correlation or client order id, or an account's number."
    ordering = ("-id",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search for whole ids only: the table is large."""
        term = search_term.strip()
        if not term:
            return queryset, False
        versions = Q(client_order_id=term)
        matches = Q(client_order_id=term) | Q(account__number=term)
        if key := identifier(term):
            matches |= Q(id=key) | Q(correlation_id=key)
            versions |= Q(id=key)
        matches |= Q(id__in=OrderVersion.objects.filter(versions).values("order_id"))
        return queryset.filter(matches), False


@admin.register(OrderVersion)
class OrderVersionAdmin(ReadOnlyAdmin):
    """Find replaces by their own ids, or their order's."""

    list_display = (
        "requested_at", "order_id", "number", "state", "quantity", "limit_price", "stop_price", "time_in_force",
        "client_order_id",
    )  # fmt: skip
    list_filter = ("state",)
    search_fields = ("client_order_id",)
    search_help_text = "A replace's own id, its client order id, or an order's id."
    ordering = ("-id",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search for whole ids only."""
        term = search_term.strip()
        if not term:
            return queryset, False
        matches = Q(client_order_id=term)
        if key := identifier(term):
            matches |= Q(id=key) | Q(order_id=key)
        return queryset.filter(matches), False


@admin.register(Execution)
class ExecutionAdmin(ReadOnlyAdmin):
    """Find executions by their order or by the id their venue gave them."""

    list_display = ("recorded_at", "venue", "exec_id", "kind", "quantity", "price", "fee", "is_live", "order_id")
    list_filter = ("venue", "kind", "is_live")
    search_fields = ("exec_id",)
    search_help_text = "A venue's execution id, or an order's id."
    ordering = ("-id",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search for whole ids only."""
        term = search_term.strip()
        if not term:
            return queryset, False
        key = identifier(term)
        return queryset.filter(Q(exec_id=term) | Q(order_id=key) if key else Q(exec_id=term)), False


class ResolvingAdmin(ReadOnlyAdmin):
    """Show what a person must look at, and let who may say that it is dealt with."""

    list_filter = ("venue", "code", ("resolved_at", admin.EmptyFieldListFilter))
    actions: Sequence[str] = ("mark_resolved",)

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        """Tell whether this person may resolve."""
        return request.user.has_perm(f"orders.change_{self.opts.model_name}")

    @admin.action(description="Mark as resolved", permissions=["resolve"])
    def mark_resolved(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Resolve the chosen rows, as the signed-in person."""
        count = self.resolve(list(queryset.values_list("pk", flat=True)), Actor.user(_person(request)))
        messages.success(request, f"{count} resolved.")

    def resolve(self, keys: Sequence[UUID], by: Actor) -> int:
        """Resolve rows through their service, and return how many were."""
        raise LookupError(f"{type(self).__name__} does not say how its rows are resolved")


@admin.register(ParkedReport)
class ParkedReportAdmin(ResolvingAdmin):
    """Show what venues reported that could not be applied."""

    list_display = ("recorded_at", "venue", "code", "order_id", "resolved_at")
    ordering = ("-recorded_at",)
    actions = ("mark_resolved", "apply_again")

    @admin.action(description="Apply again", permissions=["resolve"])
    def apply_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Apply the chosen reports as if they came now, as the signed-in person."""
        keys = list(queryset.values_list("pk", flat=True))
        by = Actor.user(_person(request))
        applied, left = parked_reports_apply(report_ids=keys, by=by, at=clock.now())
        (messages.warning if left else messages.success)(request, f"{applied} applied, {left} still cannot be.")

    def resolve(self, keys: Sequence[UUID], by: Actor) -> int:
        """Note that a person has dealt with parked reports."""
        return parked_reports_resolve(report_ids=keys, by=by, at=clock.now())


@admin.register(VenueAlert)
class VenueAlertAdmin(ResolvingAdmin):
    """Show what venues owe, and what they have otherwise than we."""

    list_display = ("raised_at", "venue", "code", "subject", "said", "resolved_at")
    ordering = ("resolved_at", "-raised_at")

    @admin.display(description="what")
    def said(self, alert: VenueAlert) -> str:
        """Return the alert's sentence."""
        return sentence(alert.code, alert.facts)

    def resolve(self, keys: Sequence[UUID], by: Actor) -> int:
        """Note that a person has dealt with alerts."""
        return alerts_resolve(alert_ids=keys, by=by, at=clock.now())


@admin.register(Breaker)
class BreakerAdmin(ReadOnlyAdmin):
    """Show whether venues answer, and how fast."""

    list_display = (
        "venue", "state", "cause", "changed_at", "probe_at", "is_slow", "acknowledge_p95_ms", "fill_p95_ms",
        "patience_ms", "measured_at",
    )  # fmt: skip
    list_filter = ("state", "is_slow")
    ordering = ("venue",)


@admin.register(VenueRoute)
class VenueRouteAdmin(admin.ModelAdmin):
    """Say where orders go."""

    list_display = ("venue", "account", "asset_class", "is_default")
    list_filter = ("venue",)
    list_select_related = ("account",)
    raw_id_fields = ("account",)
    actions = ("remove",)

    def save_model(self, request: HttpRequest, obj: VenueRoute, form: Any, change: bool) -> None:
        """Store a route as the signed-in person."""
        venue_route_set(route=obj, by=Actor.user(_person(request)), at=clock.now())

    def has_delete_permission(self, request: HttpRequest, obj: VenueRoute | None = None) -> bool:
        """Let nobody delete without a word in the log."""
        return False

    @admin.action(description="Send orders there no longer", permissions=["change"])
    def remove(self, request: HttpRequest, queryset: QuerySet[VenueRoute]) -> None:
        """Remove the chosen routes as the signed-in person; what is at their venues stays there."""
        for route in queryset:
            venue_route_remove(route=route, by=Actor.user(_person(request)), at=clock.now())
        messages.success(request, "Removed.")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Offer the venues that there are."""
        if db_field.name == "venue":
            return forms.ChoiceField(choices=[(venue, venue) for venue in ADAPTERS])
        return super().formfield_for_dbfield(db_field, request, **options)


def _person(request: HttpRequest) -> UUID:
    if request.user.pk is None:
        raise PermissionDenied
    return request.user.pk
