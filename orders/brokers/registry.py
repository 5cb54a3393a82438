"""Know which adapter speaks to which venue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path

import msgspec
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from orders.brokers.alpaca.profile import profile_from_texts
from orders.brokers.fix.profile import FixProfile, profile_from
from orders.brokers.paper.broker import PaperBroker
from orders.brokers.paper.market import LiveMarket
from orders.brokers.paper.profile import PaperProfile, profile_of
from orders.brokers.protocol import BrokerAdapter
from orders.brokers.replay.broker import ReplayBroker
from orders.brokers.replay.session import fingerprint, session_read
from orders.brokers.smart.broker import SmartBroker
from orders.brokers.smart.views import PaperViews
from orders.domain.facts import PAPER_VENUE, SMART_VENUE
from trading_portal.kernel import money
from trading_portal.kernel.money import ZERO


def paper_profile(venue: str = PAPER_VENUE) -> PaperProfile:
    """Return how a paper venue behaves, as this portal is configured; one that is not named behaves as the first."""
    venues = settings.PAPER_VENUES
    return profile_of(venues.get(venue) or next(iter(venues.values())))


def venue_fees(venue: str) -> tuple[Decimal, Decimal]:
    """Return what a venue charges: a share of the amount, and an amount for each unit.

    Only of paper venues is it known before; what a broker charges comes with its fills. Of the routed one it is the
    most that any of its venues charges.
    """
    if venue == SMART_VENUE and settings.SMART_VENUES:
        every = settings.SMART_VENUES.values()
        return max(each["FEE_RATE"] for each in every), max(each["FEE_PER_UNIT"] for each in every)
    numbers = settings.PAPER_VENUES.get(venue)
    return (numbers["FEE_RATE"], numbers["FEE_PER_UNIT"]) if numbers else (ZERO, ZERO)


def _paper(venue: str) -> BrokerAdapter:
    return PaperBroker(venue, paper_profile(venue))


def _fix(venue: str, profile: FixProfile) -> BrokerAdapter:
    make: Callable[..., BrokerAdapter] = import_string("orders.brokers.fix.broker.fix_broker")  # needs the extra `fix`
    return make(venue, profile, settings.DATA_DIR / "fix")


def _fix_profile(venue: str) -> FixProfile:
    try:
        return profile_from(settings.FIX_VENUES[venue])
    except msgspec.ValidationError as error:
        raise ImproperlyConfigured(f"PORTAL_FIX_{venue.upper()}_…: {error}") from None


def _alpaca(venue: str) -> BrokerAdapter:
    try:
        make: Callable[..., BrokerAdapter] = import_string("orders.brokers.alpaca.broker.AlpacaBroker")
    except ImportError as error:
        raise ImproperlyConfigured(f"The venue {venue} needs the extra `alpaca`: {error}") from error
    return make(venue, profile_from_texts(venue, settings.ALPACA_VENUES[venue]))


def _recorded(venue: str) -> BrokerAdapter:
    texts = settings.RECORDED_VENUES[venue]
    content = Path(texts["FILE"]).read_bytes()
    speed = money.parse(texts["SPEED"])
    if speed is None or speed < 0:
        raise ImproperlyConfigured(f"The speed of the venue {venue} is {texts['SPEED']!r}; it must be a plain number.")
    return ReplayBroker(venue, partial(session_read, content), fingerprint(content, texts["RUN"]), float(speed))


def _smart() -> BrokerAdapter:
    profiles = {venue: profile_of(numbers) for venue, numbers in settings.SMART_VENUES.items()}
    venues = {venue: PaperBroker(venue, profile) for venue, profile in profiles.items()}
    return SmartBroker(SMART_VENUE, venues, PaperViews(profiles, LiveMarket()))


ADAPTERS: Mapping[str, Callable[[], BrokerAdapter]] = {
    **{venue: partial(_paper, venue) for venue in settings.PAPER_VENUES},
    **({SMART_VENUE: _smart} if settings.SMART_VENUES else {}),
    **{venue: partial(_fix, venue, _fix_profile(venue)) for venue in settings.FIX_VENUES},
    **{venue: partial(_alpaca, venue) for venue in settings.ALPACA_VENUES},
    **{venue: partial(_recorded, venue) for venue in settings.RECORDED_VENUES},
}
