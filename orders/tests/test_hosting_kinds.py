"""Submits, cancels and replaces of one claim go out by themselves: what fails takes nothing else with it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from decimal import Decimal
from uuid import UUID

import pytest

from orders.brokers.protocol import BrokerAdapter, VenueCancel, VenueGone, VenueOrder, VenueReplace
from orders.hosting import line
from orders.hosting.host import VenueHost
from orders.models import VenueIntent
from orders.tests.venue import FaultyAdapter, Venue, until

pytestmark = pytest.mark.django_db
KINDS = ("cancel", "submit", "replace")


class Failing(FaultyAdapter):
    """Note what is said, and fail or hang in the middle of what a test names."""

    def __init__(self, adapter: BrokerAdapter, fails: str, error: type[Exception] | None) -> None:
        super().__init__(adapter)
        self.fails = fails
        self.error = error
        self.said: list[str] = []

    async def _meet(self, kind: str) -> None:
        self.said.append(kind)
        if kind != self.fails:
            return
        if self.error is None:
            await asyncio.Event().wait()
        else:
            raise self.error("said by the test")

    async def submit(self, orders: Sequence[VenueOrder]) -> None:
        await self._meet("submit")
        await super().submit(orders)

    async def cancel(self, cancels: Sequence[VenueCancel]) -> None:
        await self._meet("cancel")
        await super().cancel(cancels)

    async def replace(self, replaces: Sequence[VenueReplace]) -> None:
        await self._meet("replace")
        await super().replace(replaces)


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Venue]:
    monkeypatch.setattr(line, "ANSWER_SECONDS", 0.5)
    made = Venue(accounts=3)
    yield made
    made.close()


def claimed_together(venue: Venue, adapter: Failing) -> tuple[dict[str, UUID], VenueHost]:
    """Let one claim hold a message of each kind, each for an order of its own, and give these by kind."""
    first = venue.host()
    cancelled, replaced = venue.place(2, limit="95")
    venue.until_base([cancelled, replaced], "new")
    first.stop()
    (submitted,) = venue.place(limit="94")
    venue.cancel(cancelled)
    venue.replace(replaced, limit_price=Decimal("93"))
    orders = {"cancel": cancelled, "submit": submitted, "replace": replaced}
    host = venue.host(lambda: adapter)
    return orders, host


def answered_at_once(orders: dict[str, UUID]) -> set[str]:
    """Return the kinds whose message was answered the first time it was sent."""
    found = VenueIntent.objects.filter(order_id__in=orders.values(), state="settled", attempts=1)
    return {kind for kind, order_id in found.values_list("kind", "order_id") if orders[kind] == order_id}


@pytest.mark.parametrize("fails", KINDS)
@pytest.mark.parametrize("error", [ConnectionError, None])
def test_what_fails_or_hangs_leaves_the_others_to_be_sent_cancels_first(
    venue: Venue, fails: str, error: type[Exception] | None
) -> None:
    adapter = Failing(venue.adapter(), fails, error)
    orders, host = claimed_together(venue, adapter)
    until(lambda: len(adapter.said) >= len(KINDS))
    assert adapter.said[:3] == list(KINDS)
    until(lambda: answered_at_once(orders) == {*KINDS} - {fails}, lambda: venue.states([*orders.values()]))
    assert host.is_speaking


def test_a_venue_that_is_gone_is_told_nothing_more(venue: Venue) -> None:
    adapter = Failing(venue.adapter(), "cancel", VenueGone)
    _, host = claimed_together(venue, adapter)
    until(lambda: bool(adapter.said))
    until(lambda: not host.is_speaking)
    assert set(adapter.said) == {"cancel"}
