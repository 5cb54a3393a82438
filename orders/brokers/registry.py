"""Know which adapter speaks to which venue."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.conf import settings

from orders.brokers.paper.broker import PaperBroker
from orders.brokers.paper.profile import PaperProfile
from orders.brokers.protocol import BrokerAdapter


def paper_profile() -> PaperProfile:
    """Return how the paper venue behaves, as this portal is configured."""
    return PaperProfile(
        latency=settings.PAPER_LATENCY_MS / 1000,
        resting=settings.PAPER_RESTING_MS / 1000,
        fee_rate=settings.PAPER_FEE_RATE,
        fee_per_unit=settings.PAPER_FEE_PER_UNIT,
    )


def _paper() -> BrokerAdapter:
    return PaperBroker("paper", paper_profile())


ADAPTERS: Mapping[str, Callable[[], BrokerAdapter]] = {"paper": _paper}
