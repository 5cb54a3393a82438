from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0009_venue_copies"),
    ]

    operations = [
        migrations.AddField(
            model_name="orderversion",
            name="reasons",
            field=models.JSONField(default=list),
        ),
    ]
