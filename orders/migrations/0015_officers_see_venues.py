"""Let risk officers see how venues are, resolve what is to be looked at, and say where orders go."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

GROUP = "Risk officers"
PERMISSIONS = (
    "view_breaker",
    "view_venuealert",
    "change_venuealert",
    "change_parkedreport",
    "view_venueroute",
    "add_venueroute",
    "change_venueroute",
)


def allow(apps, schema_editor):
    Permission = apps.get_model("auth", "Permission")
    group = apps.get_model("auth", "Group").objects.get(name=GROUP)
    # Permissions are made after all migrations; a group that holds them needs them now.
    config = apps.get_app_config("orders")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    group.permissions.add(*Permission.objects.filter(content_type__app_label="orders", codename__in=PERMISSIONS))


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0014_unsized_refusals"),
        ("risk", "0002_risk_officers"),
    ]

    operations = [migrations.RunPython(allow, migrations.RunPython.noop)]
