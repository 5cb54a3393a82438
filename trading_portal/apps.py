"""Name the composition to Django."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps

from trading_portal import celery


class TradingPortalConfig(AppConfig):
    """Configure the composition, which has commands but no models."""

    name = "trading_portal"
    default = True

    def ready(self) -> None:
        """Let tasks sent from any thread of any process find this Celery app."""
        celery.app.set_default()


class PortalAdminConfig(admin_apps.AdminConfig):
    """Use this site's own admin."""

    default_site = "trading_portal.admin_site.RiskDeskSite"
    default = False
