"""Addresses of market data under the API's root."""

from __future__ import annotations

from django.urls import path

from accounts.api.pool import resource
from accounts.api.reading import reading
from marketdata.api import bars, reads, views

urlpatterns = [
    path("assets", resource(views.Assets), name="api-assets"),
    path("assets/<path:symbol_or_id>", resource(views.Asset), name="api-asset"),
    path("clock", resource(views.Clock), name="api-clock"),
    path("calendar", resource(views.Calendar), name="api-calendar"),
    path("stocks/bars", resource(bars.StockBars, get=reading(reads.STOCK_BARS)), name="api-stock-bars"),
    path(
        "stocks/bars/latest",
        resource(bars.StockBarsLatest, get=reading(reads.STOCK_BARS_LATEST)),
        name="api-stock-bars-latest",
    ),
]
