"""Name this app to Django."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """Configure the orders app."""

    name = "orders"
    default_auto_field = "django.db.models.BigAutoField"
