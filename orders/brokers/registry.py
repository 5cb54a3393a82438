"""Know which adapter speaks to which venue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial

from django.conf import settings

from orders.brokers.paper.broker import PaperBroker
from orders.brokers.paper.profile import PaperProfile, profile_of
from orders.brokers.protocol import BrokerAdapter
from orders.domain.facts import PAPER_VENUE
from trading_portal.kernel.money import ZERO


def paper_profile(venue: str = PAPER_VENUE) -> PaperProfile:
    """Return how a paper venue behaves, as this portal is configured; one that is not named behaves as the first."""
    venues = settings.PAPER_VENUES
    return profile_of(venues.get(venue) or next(iter(venues.values())))


def venue_fees(venue: str) -> tuple[Decimal, Decimal]:
    """Return what a venue charges: a share of the amount, and an amount for each unit.

    Only of paper venues is it known before; what a broker charges comes with its fills.
    """
    numbers = settings.PAPER_VENUES.get(venue)
    return (numbers["FEE_RATE"], numbers["FEE_PER_UNIT"]) if numbers else (ZERO, ZERO)


def _paper(venue: str) -> BrokerAdapter:
    return PaperBroker(venue, paper_profile(venue))


ADAPTERS: Mapping[str, Callable[[], BrokerAdapter]] = {venue: partial(_paper, venue) for venue in settings.PAPER_VENUES}
