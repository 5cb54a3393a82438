"""`/metrics`: what Prometheus scrapes, of all processes at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_GET
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, REGISTRY, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from trading_portal.metrics.stored import stored

CHALLENGE = 'Bearer realm="metrics"'


class _Found(Collector):
    """What was found, as the library wants to be given it."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """Show every metric, in Prometheus' text format, to whoever brings the token, or has signed in as staff."""
    if not _may_read(request):
        return HttpResponse("Not authorized.\n", "text/plain", 401, headers={"WWW-Authenticate": CHALLENGE})
    text = generate_latest(_Found(_all()))
    return HttpResponse(text, CONTENT_TYPE_PLAIN_0_0_4, headers={"Cache-Control": "no-store"})


def _may_read(request: HttpRequest) -> bool:
    """Tell whether this caller may read; where no token is set, nobody may."""
    if not settings.METRICS_TOKEN:
        return False
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "bearer":
        return constant_time_compare(token, settings.METRICS_TOKEN)
    try:
        return bool(request.user.is_staff)
    except DatabaseError:
        return False


def _all() -> Iterator[Metric]:
    folder = settings.METRICS_DIR
    if folder is None:
        yield from REGISTRY.collect()
    else:
        # Not as a collector of the library's, which would take brackets in the folder's name for a pattern.
        yield from MultiProcessCollector.merge([str(file) for file in folder.glob("*.db")])
    yield from stored()
