"""Name this app to Django."""

from django.apps import AppConfig


class RiskConfig(AppConfig):
    """Configure the risk app."""

    name = "risk"
    default_auto_field = "django.db.models.BigAutoField"
