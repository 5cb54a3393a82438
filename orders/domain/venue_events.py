"""What the log says about venues: each in the venue's own stream, `venue:<name>`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from audit.domain.types import EventPayload


class VenueMoved(EventPayload, frozen=True, kw_only=True):
    """What every event of a venue's breaker says; `sentence` is what its users read."""

    venue: str
    state: str
    cause: str
    sentence: str


class BreakerOpened(VenueMoved, frozen=True, kw_only=True):
    """The venue does not answer: new orders are refused, and something is sent again at `probe_at`."""

    TYPE: ClassVar[str] = "venue.breaker_opened"
    probe_at: str


class BreakerProbing(VenueMoved, frozen=True, kw_only=True):
    """The venue is tried again, one message at a time."""

    TYPE: ClassVar[str] = "venue.breaker_probing"


class BreakerClosed(VenueMoved, frozen=True, kw_only=True):
    """The venue answers again."""

    TYPE: ClassVar[str] = "venue.breaker_closed"


class VenueSlow(EventPayload, frozen=True, kw_only=True):
    """The venue answers too slowly; unanswered messages count as unknown only after `patience_ms`."""

    TYPE: ClassVar[str] = "venue.slow"
    venue: str
    acknowledge_p95_ms: int | None
    fill_p95_ms: int | None
    patience_ms: int


class VenueQuick(EventPayload, frozen=True, kw_only=True):
    """The venue answers as fast as it should again."""

    TYPE: ClassVar[str] = "venue.quick"
    venue: str
    acknowledge_p95_ms: int | None
    fill_p95_ms: int | None
    patience_ms: int


class GapClosed(EventPayload, frozen=True, kw_only=True):
    """Comparing with the venue has shown reports that had not come, and they are recorded now."""

    TYPE: ClassVar[str] = "venue.gap_closed"
    venue: str
    reports: int


class AlertRaised(EventPayload, frozen=True, kw_only=True):
    """Something at the venue needs a person: see the alert."""

    TYPE: ClassVar[str] = "venue.alert_raised"
    venue: str
    alert_id: str
    subject: str
    reason: Mapping[str, Any]


class AlertResolved(EventPayload, frozen=True, kw_only=True):
    """An alert is over, or a person has dealt with it."""

    TYPE: ClassVar[str] = "venue.alert_resolved"
    venue: str
    alert_id: str
    subject: str
    code: str


class ParkedResolved(EventPayload, frozen=True, kw_only=True):
    """A person has dealt with a report that could not be applied."""

    TYPE: ClassVar[str] = "venue.report_resolved"
    venue: str
    parked_report_id: str
    code: str


class ParkedReapplied(EventPayload, frozen=True, kw_only=True):
    """A person had a report applied again that could not be; where it still cannot, it stays parked."""

    TYPE: ClassVar[str] = "venue.report_reapplied"
    venue: str
    parked_report_id: str
    code: str
    is_applied: bool


class RouteSet(EventPayload, frozen=True, kw_only=True):
    """Somebody said where orders go; without an account everybody's, without an asset class all of them."""

    TYPE: ClassVar[str] = "venue.route_set"
    venue: str
    account_id: str | None
    asset_class: str
    is_default: bool


class RouteRemoved(EventPayload, frozen=True, kw_only=True):
    """Orders go there no longer by that route."""

    TYPE: ClassVar[str] = "venue.route_removed"
    venue: str
    account_id: str | None
    asset_class: str
    is_default: bool
