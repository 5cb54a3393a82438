"""Name this app to Django."""

from django.apps import AppConfig


class PositionsConfig(AppConfig):
    """Configure the positions app."""

    name = "positions"
    default_auto_field = "django.db.models.BigAutoField"
