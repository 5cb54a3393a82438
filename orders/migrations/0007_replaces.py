from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0006_venue_health"),
    ]

    operations = [
        migrations.AddField(
            model_name="orderversion",
            name="command_hash",
            field=models.BinaryField(default=None, max_length=32),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="orderversion",
            name="expires_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="orderversion",
            name="replaces",
            field=models.UUIDField(default=None),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="orderversion",
            name="was",
            field=models.JSONField(null=True),
        ),
        migrations.AlterField(
            model_name="order",
            name="version_number",
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.AlterField(
            model_name="orderversion",
            name="number",
            field=models.PositiveIntegerField(),
        ),
    ]
