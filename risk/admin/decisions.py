"""Decisions: read only, with every check explained."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from risk.admin.desk import DeskAdmin
from risk.domain.records import grouped
from risk.models import Decision
from risk.selectors import decision_shown


@admin.register(Decision)
class DecisionAdmin(DeskAdmin):
    """Explain why orders were taken or refused."""

    list_display = ("decided", "account", "order", "verdict", "why", "order_id")
    list_filter = ("is_approved",)
    list_select_related = ("account", "instrument")
    search_fields = ("order_id",)
    search_help_text = "An order's id, or an account's number."
    ordering = ("-order_id",)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let nobody change what was decided."""
        return False

    @admin.display(description="decided")
    def decided(self, row: Decision) -> str:
        """Return when, in the order of ids."""
        return f"{row.decided_at:%Y-%m-%d %H:%M:%S.%f} UTC"

    @admin.display(description="order")
    def order(self, row: Decision) -> str:
        """Return what was asked."""
        asked = row.inputs
        price = asked.get("limit_price") or "market"
        return f"{asked.get('side')} {asked.get('quantity')} {asked.get('symbol')} at {price}"

    @admin.display(description="verdict")
    def verdict(self, row: Decision) -> str:
        """Return the answer."""
        return str(row)

    @admin.display(description="reasons")
    def why(self, row: Decision) -> str:
        """Return the codes it was refused with."""
        return ", ".join(why["code"] for why in row.reasons) or "-"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search by order id or account number, both exact: the table is large."""
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            return queryset.filter(order_id=UUID(term)), False
        except ValueError:
            return queryset.filter(account__number=term), False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show every check of a decision."""
        row: Decision = self.found(request, object_id)
        shown = decision_shown(row)
        return self.page(
            request,
            title=f"{self.order(row)}: {row}",
            row=row,
            template="admin/risk/decision.html",
            decision=shown,
            facts=_facts(row),
        )


def _facts(row: Decision) -> dict[str, Any]:
    """Return what the decision was made on, in the order people ask."""
    asked = row.inputs
    source = {"quote": "live", "close": "last close"}.get(asked.get("price_source", ""), "none")
    return {
        "Account": row.account,
        "Order": row.order_id,
        "Decided": f"{row.decided_at:%Y-%m-%d %H:%M:%S.%f} UTC",
        "Verdict": str(row),
        "Asked": f"{asked.get('side')} {asked.get('quantity')} {asked.get('symbol')}",
        "Type": f"{asked.get('type')}, {asked.get('time_in_force')}",
        "Limit price": grouped(asked.get("limit_price")),
        "Reference price": f"{grouped(asked.get('reference_price'))} ({source}, {asked.get('price_age', '-')} s old)",
        "Worst price": grouped(asked.get("worst_price")),
        "Rate": asked.get("rate") or "-",
        "In session": "yes" if asked.get("in_session") else "no",
        "Only reduces": "yes" if asked.get("is_reducing") else "no",
    }
