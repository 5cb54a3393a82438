"""Every address of the site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from accounts.api.views import not_found
from orders.api.account_stream import account_events
from trading_portal import views
from trading_portal.metrics.requests import NO_VIEW
from trading_portal.metrics.views import metrics

urlpatterns = [
    # First, because the resolver looks from the top and orders are what must be fast.
    path("v2/", include("orders.api.urls")),
    path("healthz", views.healthz, name="healthz"),
    path("metrics", metrics, name="metrics"),
    path("", include("accounts.urls")),
    path("", include("orders.urls")),
    path("admin/", admin.site.urls),
    path("prices/", include("marketdata.urls")),
    path("v2/", include("marketdata.api.urls")),
    path("v2/<path:rest>", not_found, name=NO_VIEW),
    path("v1beta3/", include("marketdata.api.crypto_urls")),
    path("v1beta3/<path:rest>", not_found, name=NO_VIEW),
    path("api/schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(url_name="api-schema"), name="api-docs"),
    path("events/accounts/<uuid:account_id>/", account_events, name="account-events"),
]
