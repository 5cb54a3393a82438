"""Addresses of what pages read of the market."""

from __future__ import annotations

from django.urls import path

from marketdata import consumers, views

urlpatterns = [
    path("instruments", views.instruments, name="instruments"),
    path("stream", consumers.price_stream, name="price-stream"),
    path("candles", views.candles, name="candles"),
]
