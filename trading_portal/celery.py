"""The Celery app: `celery -A trading_portal.celery`."""

from __future__ import annotations

import os

from celery import Celery

from trading_portal.running.heartbeat import start_celery_heartbeat

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trading_portal.settings")

app = Celery("trading_portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
start_celery_heartbeat(app)
