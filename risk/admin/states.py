"""Trading states: less at once, more by two; and accounts, which can be frozen."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.services import account_configure
from risk import services
from risk.admin.desk import DeskAdmin, actor_of, attempt, scope_of
from risk.admin.forms import ReasonForm, StateAddForm, StateForm
from risk.domain.types import Mode
from risk.models import TradingState
from risk.selectors.utilisation import utilisation
from trading_portal.kernel import clock

NOTES = (
    "ACTIVE takes any order, REDUCING only those that reduce a position, HALTED none; cancels always pass.",
    "Less holds at once. More waits until a second person approves it.",
)


@admin.register(TradingState)
class TradingStateAdmin(DeskAdmin):
    """Say what the firm, an account or a symbol may do."""

    list_display = ("scope", "state", "reason", "version", "changed")
    list_filter = ("state",)
    list_select_related = ("account", "instrument")
    search_fields = ("account__number", "instrument__symbol")
    ordering = ("-changed_at",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let officers set the state of any scope."""
        return super(DeskAdmin, self).has_add_permission(request)

    @admin.display(description="scope")
    def scope(self, row: TradingState) -> str:
        """Name the scope."""
        return scope_of(row)

    @admin.display(description="changed", ordering="changed_at")
    def changed(self, row: TradingState) -> str:
        """Return when it was changed last."""
        return f"{row.changed_at:%Y-%m-%d %H:%M:%S} UTC"

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Set the state of a scope."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = StateAddForm(request.POST or None)
        if request.method == "POST" and form.is_valid() and self._set(request, form, form.scope()):
            return self.back()
        return self.form_page(request, form, title="Set a trading state", button="Save", notes=NOTES)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a scope's state and set another."""
        row: TradingState = self.found(request, object_id, to_change=request.method == "POST")
        form = StateForm(request.POST or None, initial={"state": row.state})
        scope = {"account_id": row.account_id, "instrument_id": row.instrument_id}
        if request.method == "POST" and form.is_valid() and self._set(request, form, scope):
            return self.back()
        facts = {"Scope": scope_of(row), "State": row.state, "Reason": row.reason, "Version": row.version}
        can_change = self.has_change_permission(request, row)
        return self.form_page(
            request,
            form,
            title=f"Trading state: {scope_of(row)}",
            button="Save" if can_change else "",
            facts=facts,
            notes=NOTES,
            row=row,
        )

    def _set(self, request: HttpRequest, form: StateForm, scope: dict[str, Any]) -> bool:
        asked = form.cleaned_data
        outcome = attempt(
            request,
            lambda: services.trading_state_set(
                **scope, state=Mode(asked["state"]), reason=asked["reason"], by=actor_of(request), at=clock.now()
            ),
        )
        if outcome is None:
            return False
        row = TradingState.objects.get(id=outcome.target_id)
        self.log_change(request, row, f"{outcome.state}: {asked['state']}. {asked['reason']}")
        self.tell(request, outcome, applied=f"Trading is {asked['state']} there from the next order on.")
        return True


@admin.register(apps.get_model("accounts", "TradingAccount"))
class TradingAccountAdmin(DeskAdmin):
    """Show accounts and what they use of their limits; freeze them."""

    list_display = ("number", "name", "owner", "base_currency", "status", "state", "may_short", "is_paper")
    list_filter = ("status", "may_short", "is_paper")
    list_select_related = ("owner",)
    search_fields = ("number", "name", "owner__username")
    ordering = ("number",)
    actions = ("freeze", "allow_shorting", "forbid_shorting")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let nobody edit an account here."""
        return False

    @admin.display(description="trading state")
    def state(self, row: Any) -> str:
        """Return the account's own state."""
        found = TradingState.objects.filter(account_id=row.pk, instrument=None).first()
        return found.state if found else Mode.ACTIVE.value

    @admin.action(description="Freeze (HALTED: only cancels pass)", permissions=["freeze"])
    def freeze(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask why, then halt the chosen accounts."""
        form = ReasonForm(request.POST if "confirm" in request.POST else None)
        accounts = list(queryset)
        if "confirm" not in request.POST or not form.is_valid():
            return self.form_page(
                request,
                form,
                title="Freeze these accounts?",
                button="Freeze",
                facts={row.number: row.name for row in accounts},
                notes=("Nothing but cancels will pass. Open orders stay; the kill switch is what cancels them.",),
                is_danger=True,
                action="freeze",
                selected=[str(row.pk) for row in accounts],
            )
        for row in accounts:
            self._freeze(request, row, form.cleaned_data["reason"])
        return None

    def _freeze(self, request: HttpRequest, row: Any, why: str) -> None:
        outcome = attempt(
            request,
            lambda: services.trading_state_set(
                account_id=row.pk,
                instrument_id=None,
                state=Mode.HALTED,
                reason=why,
                by=actor_of(request),
                at=clock.now(),
            ),
        )
        if outcome is not None:
            self.log_change(request, row, f"frozen: {why}")
            messages.success(request, f"{row.number} is frozen.")

    @admin.action(description="Allow to sell short", permissions=["configure"])
    def allow_shorting(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Let the chosen accounts sell what they do not have, where the instrument allows it."""
        self._shorting(request, queryset, may_short=True)

    @admin.action(description="Forbid to sell short", permissions=["freeze"])
    def forbid_shorting(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Let the chosen accounts sell only what they have; what is short already stays."""
        self._shorting(request, queryset, may_short=False)

    def _shorting(self, request: HttpRequest, queryset: QuerySet[Any], *, may_short: bool) -> None:
        for row in queryset:
            account_configure(account_id=row.pk, may_short=may_short, by=actor_of(request), at=clock.now())
            word = "may" if may_short else "may no longer"
            self.log_change(request, row, f"{word} sell short")
            messages.success(request, f"{row.number} {word} sell short.")

    def has_configure_permission(self, request: HttpRequest) -> bool:
        """Let those widen what an account may do who manage accounts."""
        return request.user.has_perm("accounts.change_tradingaccount")

    def has_freeze_permission(self, request: HttpRequest) -> bool:
        """Let those freeze who may set trading states."""
        return request.user.has_perm("risk.change_tradingstate")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show an account and what it uses of its limits."""
        row: Any = self.found(request, object_id)
        facts = {
            "Owner": row.owner,
            "Currency": row.base_currency,
            "Status": row.status,
            "Trading state": self.state(row),
            "May sell short": "yes" if row.may_short else "no",
            "Paper": "yes" if row.is_paper else "no",
        }
        uses = utilisation([row.pk], clock.now())
        title = f"{row.number} {row.name}"
        return self.page(request, title=title, row=row, template="admin/risk/account.html", facts=facts, uses=uses)
