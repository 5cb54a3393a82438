"""Leave room in each page of orders for their next versions, so that an order moves without touching its indexes."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    """An order is written, sent and ended: twice its room is what it comes to need."""

    dependencies = [("orders", "0020_paper_report_once")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE orders_order SET (fillfactor = 50)",
            "ALTER TABLE orders_order RESET (fillfactor)",
        ),
    ]
