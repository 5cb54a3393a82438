"""Name this app to Django."""

from django.apps import AppConfig


class MarketDataConfig(AppConfig):
    """Configure the marketdata app."""

    name = "marketdata"
    default_auto_field = "django.db.models.BigAutoField"
