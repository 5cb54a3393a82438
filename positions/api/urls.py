"""Addresses of accounts and positions under the API's root."""

from __future__ import annotations

from django.urls import path

from positions.api import views

urlpatterns = [
    path("account", views.Account.as_view(), name="api-account"),
    path("positions", views.Positions.as_view(), name="api-positions"),
    path("positions/<path:symbol_or_id>", views.Position.as_view(), name="api-position"),
]
