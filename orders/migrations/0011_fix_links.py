from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0010_replace_reasons"),
    ]

    operations = [
        migrations.CreateModel(
            name="FixLink",
            fields=[
                ("venue", models.CharField(max_length=24, primary_key=True, serialize=False)),
                ("generation", models.BigIntegerField()),
                ("era", models.CharField(blank=True, default="", max_length=32)),
                ("received_up_to", models.BigIntegerField(default=0)),
                ("started_at", models.DateTimeField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="FixSent",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "venue", "name", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("venue", models.CharField(max_length=24)),
                ("name", models.CharField(max_length=64)),
                ("order_id", models.UUIDField()),
                (
                    "kind",
                    models.CharField(
                        choices=[("submit", "submit"), ("cancel", "cancel"), ("replace", "replace")], max_length=8
                    ),
                ),
                ("terms", models.JSONField()),
                ("sent_at", models.DateTimeField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.AddField(
            model_name="venuereportcopy",
            name="message",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
    ]
