"""Orders, executions and parked reports as officers read them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from audit.admin import ReadOnlyAdmin, identifier
from orders.models import Execution, Order, ParkedReport


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
        matches = Q(client_order_id=term) | Q(account__number=term)
        if key := identifier(term):
            matches |= Q(id=key) | Q(correlation_id=key)
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


@admin.register(ParkedReport)
class ParkedReportAdmin(ReadOnlyAdmin):
    """Show what venues reported that could not be applied."""

    list_display = ("recorded_at", "venue", "code", "order_id", "resolved_at")
    list_filter = ("venue", "code")
    ordering = ("-recorded_at",)
