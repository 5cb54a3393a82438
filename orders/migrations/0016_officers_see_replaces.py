"""Let risk officers look at replaces."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

GROUP = "Risk officers"


def allow(apps, schema_editor):
    Permission = apps.get_model("auth", "Permission")
    group = apps.get_model("auth", "Group").objects.get(name=GROUP)
    # Permissions are made after all migrations; a group that holds them needs them now.
    config = apps.get_app_config("orders")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    found = Permission.objects.filter(content_type__app_label="orders", codename="view_orderversion")
    group.permissions.add(*found)


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0015_officers_see_venues"),
    ]

    operations = [migrations.RunPython(allow, migrations.RunPython.noop)]
