"""What every page of the risk desk shares: who acts, why, and through which service."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from audit.domain.types import Actor
from risk.domain.book import scope_text
from risk.domain.outcomes import ChangeOutcome
from trading_portal.kernel.errors import PortalError

T = TypeVar("T")


def actor_of(request: HttpRequest) -> Actor:
    """Return the signed-in person as the log names them."""
    if request.user.pk is None:
        raise PermissionDenied
    return Actor.user(request.user.pk)


def attempt(request: HttpRequest, work: Callable[[], T]) -> T | None:
    """Do one service call; show its sentence and return None when it refuses."""
    try:
        return work()
    except PortalError as error:
        messages.error(request, error.sentence)
        return None


def scope_of(row: Any) -> str:
    """Return the scope of a limit, state or switch as a person reads it."""
    account = f"account {row.account.number}" if row.account_id else ""
    return scope_text([account, row.instrument.symbol if row.instrument_id else "", getattr(row, "venue", "")])


class DeskAdmin(ModelAdmin):
    """Show rows; add and change them only through services; delete nothing."""

    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 200

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let nobody add rows by hand, unless a page offers it."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let nobody delete."""
        return False

    def found(self, request: HttpRequest, object_id: str, *, to_change: bool = False) -> Any:
        """Return a row for a page of its own; refuse who may not see it, or may not change it."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        allowed = self.has_change_permission(request, row) if to_change else self.has_view_permission(request, row)
        if not allowed:
            raise PermissionDenied
        return row

    def page(
        self,
        request: HttpRequest,
        *,
        title: str,
        row: Any = None,
        template: str = "admin/risk/form.html",
        **context: Any,
    ) -> TemplateResponse:
        """Show a page in the admin's frame."""
        frame = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "row": row,
            "list_url": self.list_url(),
            "history_url": self._url("history", row.pk) if row is not None else None,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, template, {**frame, **context})

    def form_page(
        self,
        request: HttpRequest,
        form: forms.Form,
        *,
        title: str,
        button: str,
        facts: Mapping[str, Any] | None = None,
        notes: Sequence[str] = (),
        row: Any = None,
        is_danger: bool = False,
        **context: Any,
    ) -> TemplateResponse:
        """Show what something is, and the form that changes it; without a button it is only shown."""
        shown: dict[str, Any] = {"facts": facts or {}, "notes": notes, "button": button, "is_danger": is_danger}
        return self.page(request, title=title, row=row, form=form, **shown, **context)

    def list_url(self) -> str:
        """Return the address of the list."""
        return self._url("changelist")

    def back(self) -> HttpResponse:
        """Go back to the list."""
        return HttpResponseRedirect(self.list_url())

    def _url(self, page: str, *arguments: Any) -> str:
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=arguments)

    def tell(self, request: HttpRequest, outcome: ChangeOutcome, *, applied: str) -> None:
        """Say what came of a request."""
        if outcome.state == "applied":
            messages.success(request, applied)
        elif outcome.state == "proposed":
            messages.warning(request, "This loosens, so it waits until a second person approves it.")
        elif outcome.state == "rejected":
            messages.success(request, "The change was rejected.")
        else:
            messages.error(
                request, "The change is stale: what it is about moved since it was proposed. Nothing changed."
            )
