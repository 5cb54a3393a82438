"""Read what the risk desk shows first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from marketdata.selectors import instruments_all, quotes_latest, session_at
from risk.domain.account_book import seconds_between
from risk.models import Breach, ChangeRequest, KillSwitch, TradingState
from risk.selectors.utilisation import Use, utilisation_top
from trading_portal.kernel.errors import Unavailable

TOP = 20
FEED_ROWS = 12


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """How fresh prices are where the market is open.

    `silent` are symbols without a fresh one, `error` says why none is known.
    """

    open: int
    fresh: int
    oldest: Decimal | None
    silent: list[str]
    error: str = ""

    @property
    def is_well(self) -> bool:
        """Tell whether every open market has a fresh price."""
        return not self.error and not self.silent


@dataclass(frozen=True, slots=True)
class Dashboard:
    """What is stopped, what is nearly full, what was refused, what waits, and whether prices flow."""

    switches: list[KillSwitch]
    states: list[TradingState]
    uses: list[Use]
    breaches: list[Breach]
    breaches_open: int
    changes: list[ChangeRequest]
    feed: FeedHealth


def dashboard(at: datetime) -> Dashboard:
    """Return the desk's overview at an instant."""
    scoped = ("account", "instrument")
    unseen = Breach.objects.filter(acknowledged_at=None)
    return Dashboard(
        switches=list(KillSwitch.objects.filter(released_at=None).select_related(*scoped, "latched_by")),
        states=list(TradingState.objects.exclude(state="ACTIVE").select_related(*scoped)),
        uses=utilisation_top(at, TOP),
        breaches=list(unseen.select_related(*scoped).order_by("-breached_at")[:TOP]),
        breaches_open=unseen.exclude(severity=Breach.Severity.WARNING).count(),
        changes=list(
            ChangeRequest.objects.filter(state=ChangeRequest.State.PENDING)
            .select_related(*scoped, "proposed_by")
            .order_by("proposed_at")
        ),
        feed=feed_health(at),
    )


def feed_health(at: datetime) -> FeedHealth:
    """Return how fresh the prices of open markets are."""
    trading = [instrument.symbol for instrument in instruments_all() if session_at(instrument, at).is_open]
    try:
        prices = quotes_latest(trading)
    except Unavailable as error:
        return FeedHealth(len(trading), 0, None, [], error.sentence)
    ages = [seconds_between(price.received_at, at) for price in prices.values()]
    silent = [symbol for symbol in trading if symbol not in prices]
    return FeedHealth(len(trading), len(prices), max(ages, default=None), silent[:FEED_ROWS])
