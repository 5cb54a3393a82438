"""Count requests by what answers them, and how long that takes."""

from __future__ import annotations

from django.http import HttpRequest
from prometheus_client import Histogram

NO_VIEW = "not-found"
"""The label of every address that is nobody's, and the name of the view that answers for some of them."""

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
OTHER_METHOD = "other"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

_DURATION = Histogram(
    "portal_http_request_duration_seconds",
    "Time from a request to the head of its answer, by view, method and class of status.",
    ("view", "method", "status"),
    buckets=SECONDS,
)
_series: dict[tuple[str, str | None, int], Histogram] = {}


def answered(request: HttpRequest, status: int, seconds: float) -> None:
    """Count a request; one like an earlier one costs a look-up and two additions."""
    match = request.resolver_match
    view = NO_VIEW if match is None else match.view_name
    (_series.get((view, request.method, status)) or _series_of(view, request.method, status)).observe(seconds)


def _series_of(view: str, method: str | None, status: int) -> Histogram:
    """Return the series of a kind of request; a caller's own words never make a new one."""
    known = method if method in METHODS else OTHER_METHOD
    found = _series.get((view, known, status))
    if found is None:
        found = _series[view, known, status] = _DURATION.labels(view, known, f"{status // 100}xx")
    return found
