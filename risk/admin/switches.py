"""Kill switches: see exactly what dies, latch, and see what is left; release is another person's too."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts.selectors import accounts_by_id
from marketdata.selectors import instruments_by_id
from positions.selectors import reservations_in_scope
from risk import services
from risk.admin.changes import RELEASE_NOTES
from risk.admin.desk import DeskAdmin, actor_of, attempt, scope_of
from risk.admin.forms import LatchForm, ReasonForm, SwitchScopeForm
from risk.models import KillSwitch
from trading_portal.kernel import clock
from trading_portal.kernel.money import plain

SHOWN = 100


@admin.register(KillSwitch)
class KillSwitchAdmin(DeskAdmin):
    """Stop a scope, and show what every switch did."""

    list_display = ("scope", "status", "reason", "latched_by", "latched", "orders_to_cancel", "released")
    list_select_related = ("account", "instrument", "latched_by", "released_by")
    list_filter = (("released_at", admin.EmptyFieldListFilter),)
    search_fields = ("account__number", "instrument__symbol", "venue", "reason")
    ordering = ("-latched_at",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let officers latch."""
        return super(DeskAdmin, self).has_add_permission(request)

    @admin.display(description="scope")
    def scope(self, row: KillSwitch) -> str:
        """Name the scope."""
        return scope_of(row)

    @admin.display(description="state")
    def status(self, row: KillSwitch) -> str:
        """Say whether it stops its scope now."""
        return str(row)

    @admin.display(description="latched", ordering="latched_at")
    def latched(self, row: KillSwitch) -> str:
        """Return since when it stops its scope."""
        return f"{row.latched_at:%Y-%m-%d %H:%M:%S} UTC"

    @admin.display(description="released", ordering="released_at")
    def released(self, row: KillSwitch) -> str:
        """Return who released it, and when."""
        return f"{row.released_by} at {row.released_at:%Y-%m-%d %H:%M:%S} UTC" if row.released_at else "-"

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Choose a scope (GET), see what dies in it, then latch (POST)."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._latch(request)
        asked = SwitchScopeForm(request.GET or None)
        is_chosen = "preview" in request.GET and asked.is_valid()
        if not is_chosen:
            return self.page(
                request, title="Kill switch", template="admin/risk/latch.html", scope_form=asked, form=None
            )
        named = {name: asked.data.get(name, "") for name in ("account", "symbol", "venue")}
        return self._latch_page(request, LatchForm(initial=named), asked)

    def _latch(self, request: HttpRequest) -> HttpResponse:
        form = LatchForm(request.POST)
        if form.is_valid():
            why = form.cleaned_data["reason"]
            outcome = attempt(
                request,
                lambda: services.kill_switch_latch(**form.scope(), reason=why, by=actor_of(request), at=clock.now()),
            )
            if outcome is not None:
                row = KillSwitch.objects.get(id=outcome.kill_switch_id)
                if outcome.is_new:
                    self.log_addition(request, row, f"latched {scope_of(row)}: {why}")
                    messages.warning(request, f"Latched. {outcome.orders_to_cancel} open orders are being cancelled.")
                else:
                    messages.info(request, "This scope was latched already; nothing changed.")
                return HttpResponseRedirect(reverse("admin:risk_killswitch_change", args=[row.pk]))
        asked = SwitchScopeForm(request.POST)
        return self._latch_page(request, form, asked if asked.is_valid() else None)

    def _latch_page(self, request: HttpRequest, form: LatchForm, asked: SwitchScopeForm | None) -> HttpResponse:
        scope = asked.scope() if asked else None
        return self.page(
            request,
            title="Kill switch",
            template="admin/risk/latch.html",
            scope_form=SwitchScopeForm(asked.data) if asked else SwitchScopeForm(),
            form=form,
            dying=open_orders(scope["account_id"], scope["instrument_id"]) if scope else None,
            venue=scope["venue"] if scope else "",
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show what a switch stopped, and ask for its release."""
        row: KillSwitch = self.found(request, object_id, to_change=request.method == "POST")
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            why = form.cleaned_data["reason"]
            outcome = attempt(
                request,
                lambda: services.kill_switch_release_propose(
                    kill_switch_id=row.pk, reason=why, by=actor_of(request), at=clock.now()
                ),
            )
            if outcome is not None:
                self.log_change(request, row, f"release proposed: {why}")
                messages.warning(request, "The switch stays latched until a second person approves the release.")
                return self.back()
        can_release = row.released_at is None and self.has_change_permission(request, row)
        return self.form_page(
            request,
            form,
            title=f"Kill switch: {scope_of(row)}",
            button="Propose release" if can_release else "",
            facts=_facts(row),
            notes=RELEASE_NOTES,
            row=row,
        )


def open_orders(account_id: Any, instrument_id: Any) -> dict[str, Any]:
    """Return what is open in a scope: how many, and the newest of them."""
    count, found = reservations_in_scope(account_id=account_id, instrument_id=instrument_id, limit=SHOWN)
    accounts = accounts_by_id({account for account, _ in found})
    instruments = instruments_by_id({order.instrument_id for _, order in found})
    rows = [
        {
            "order_id": order.order_id,
            "account": accounts[account].number,
            "symbol": instruments[order.instrument_id].symbol,
            "side": order.side.value,
            "quantity": plain(order.quantity_left),
            "price": "market" if order.limit_price is None else plain(order.limit_price),
        }
        for account, order in found
    ]
    return {"count": count, "rows": rows, "hidden": count - len(rows)}


def _facts(row: KillSwitch) -> dict[str, Any]:
    left, _ = reservations_in_scope(account_id=row.account_id, instrument_id=row.instrument_id, limit=1)
    facts: dict[str, Any] = {
        "Scope": scope_of(row),
        "State": str(row),
        "Reason": row.reason,
        "Latched": f"{row.latched_by} at {row.latched_at:%Y-%m-%d %H:%M:%S} UTC",
    }
    if row.released_at is None:
        done = max(0, row.orders_to_cancel - left)
        facts["Open orders"] = f"cancelled {done} of {row.orders_to_cancel}, {left} still open"
    else:
        facts["Open orders"] = f"{row.orders_to_cancel} when it was latched"
        facts["Released"] = f"{row.released_by} at {row.released_at:%Y-%m-%d %H:%M:%S} UTC"
    return facts
