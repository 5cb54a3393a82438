"""Addresses of what pages read of the market."""

from __future__ import annotations

from django.urls import path

from marketdata import views

urlpatterns = [
    path("instruments", views.instruments, name="instruments"),
    path("candles", views.candles, name="candles"),
]
