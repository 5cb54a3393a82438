"""Addresses of positions under the API's root."""

from __future__ import annotations

from django.urls import path

from accounts.api.pool import resource
from positions.api import views

urlpatterns = [
    path("positions", resource(views.Positions), name="api-positions"),
    path("positions/<path:symbol_or_id>", resource(views.Position), name="api-position"),
]
