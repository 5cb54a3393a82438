"""Let risk officers see API keys, and revoke them."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

GROUP = "Risk officers"


def allow(apps, schema_editor):
    Permission = apps.get_model("auth", "Permission")
    group = apps.get_model("auth", "Group").objects.get(name=GROUP)
    # Permissions are made after all migrations; a group that holds them needs them now.
    config = apps.get_app_config("accounts")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    names = ["view_apikey", "change_apikey"]
    group.permissions.add(*Permission.objects.filter(content_type__app_label="accounts", codename__in=names))


class Migration(migrations.Migration):
    dependencies = [
        ("risk", "0004_short_value"),
        ("accounts", "0002_account_may_short"),
    ]

    operations = [migrations.RunPython(allow, migrations.RunPython.noop)]
