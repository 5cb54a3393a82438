"""Name this app to Django."""

from importlib import import_module

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """Configure the orders app."""

    name = "orders"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Wake venues through Celery, whichever process stores what is due."""
        waking, tasks = import_module("orders.services.waking"), import_module("orders.tasks")
        waking.venue_waker_set(tasks.venue_wake)
