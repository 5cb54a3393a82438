"""Make the group of people who run the risk desk."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

GROUP = "Risk officers"
PERMISSIONS = {
    "risk": [
        "add_limit",
        "change_limit",
        "view_limit",
        "change_changerequest",
        "view_changerequest",
        "add_tradingstate",
        "change_tradingstate",
        "view_tradingstate",
        "add_killswitch",
        "change_killswitch",
        "view_killswitch",
        "view_decision",
        "change_breach",
        "view_breach",
    ],
    "accounts": ["view_tradingaccount"],
    "marketdata": ["change_instrument", "view_instrument"],
}


def make(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    group, _ = Group.objects.get_or_create(name=GROUP)
    for label, codenames in PERMISSIONS.items():
        # Permissions are made after all migrations; a group that holds them needs them now.
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
        group.permissions.add(*Permission.objects.filter(content_type__app_label=label, codename__in=codenames))


def remove(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name=GROUP).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("risk", "0001_initial"),
        ("accounts", "0001_initial"),
        ("marketdata", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make, remove)]
