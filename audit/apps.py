"""Name this app to Django."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Configure the audit app."""

    name = "audit"
    default_auto_field = "django.db.models.BigAutoField"
