"""Let risk officers look at orders, executions, parked reports and the event log."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

GROUP = "Risk officers"
PERMISSIONS = {
    "orders": ["view_order", "view_execution", "view_parkedreport"],
    "audit": ["view_event", "view_cursor", "view_parkedevent"],
}


def allow(apps, schema_editor):
    Permission = apps.get_model("auth", "Permission")
    group = apps.get_model("auth", "Group").objects.get(name=GROUP)
    for label, codenames in PERMISSIONS.items():
        # Permissions are made after all migrations; a group that holds them needs them now.
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
        group.permissions.add(*Permission.objects.filter(content_type__app_label=label, codename__in=codenames))


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0001_initial"),
        ("audit", "0001_initial"),
        ("risk", "0002_risk_officers"),
    ]

    operations = [migrations.RunPython(allow, migrations.RunPython.noop)]
