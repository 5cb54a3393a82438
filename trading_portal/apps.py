"""Name the composition to Django."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class TradingPortalConfig(AppConfig):
    """Configure the composition, which has commands but no models."""

    name = "trading_portal"
    default = True


class PortalAdminConfig(admin_apps.AdminConfig):
    """Use this site's own admin."""

    default_site = "trading_portal.admin_site.RiskDeskSite"
    default = False
