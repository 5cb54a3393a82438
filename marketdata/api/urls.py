"""Addresses of market data under the API's root."""

from __future__ import annotations

from django.urls import path

from marketdata.api import views

urlpatterns = [
    path("assets", views.Assets.as_view(), name="api-assets"),
    path("assets/<path:symbol_or_id>", views.Asset.as_view(), name="api-asset"),
    path("clock", views.Clock.as_view(), name="api-clock"),
    path("calendar", views.Calendar.as_view(), name="api-calendar"),
]
