"""The risk desk: Django's admin as this site serves it."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from orders.selectors.venues import venues_health
from risk.selectors import dashboard
from trading_portal.kernel import clock

DESK = "risk.view_limit"


class RiskDeskSite(AdminSite):
    """Serve the admin to risk officers, beginning with what needs them."""

    site_header = "Risk desk"
    site_title = "Risk desk"
    index_title = "Overview"
    index_template = "admin/desk.html"

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show what is stopped, nearly full, refused or waiting, to those who may see limits."""
        may_see = request.user.has_perm(DESK)
        shown = {"desk": dashboard(clock.now()), "venues": venues_health()} if may_see else {}
        return super().index(request, {**shown, **(extra_context or {})})

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Send people to the site's one door, which counts tries; refuse those who are in and may not enter here."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied
        asked = request.GET.get(REDIRECT_FIELD_NAME, "")
        return redirect_to_login(asked if asked.startswith("/") else reverse("admin:index"))
