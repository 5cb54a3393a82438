"""The Celery app: `celery -A trading_portal.celery`."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import task_prerun
from django.db import close_old_connections

from trading_portal.running.heartbeat import start_celery_heartbeat

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trading_portal.settings")

app = Celery("trading_portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
start_celery_heartbeat(app)
# As Django does before each request: a connection that broke is replaced, one that holds is kept.
task_prerun.connect(close_old_connections, dispatch_uid="trading_portal.connections")
