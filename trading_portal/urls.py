"""Every address of the site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from accounts.api.views import not_found
from trading_portal import views

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("admin/", admin.site.urls),
    path("v2/", include("marketdata.api.urls")),
    path("v2/", include("positions.api.urls")),
    path("v2/<path:rest>", not_found),
]
