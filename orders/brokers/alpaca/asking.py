"""Ask Alpaca how orders stand and what was traded; on the threads that wait for the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from orders.brokers.alpaca import words
from orders.brokers.alpaca.rest import AlpacaRest, Refused
from orders.brokers.alpaca.words import Fields
from orders.brokers.copies import OrderName

ONE_BY_ONE = 10
ORDERS_PAGE, ORDERS_PAGES = 500, 20
FILLS_PAGE = 100
_SKEW = timedelta(seconds=60)


class Asking:
    """Read orders and activities."""

    def __init__(self, rest: AlpacaRest) -> None:
        self._rest = rest

    def by_name(self, name: str) -> Fields | None:
        """Return the order that we call so, None when the venue has none."""
        try:
            found: Fields = self._rest.get("/orders:by_client_order_id", client_order_id=name)
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return found

    def orders(self, names: Sequence[OrderName]) -> dict[str, Fields | None]:
        """Return orders by our names for them; None for what the venue never heard of."""
        found: dict[str, Fields | None] = {}
        if len(names) > ONE_BY_ONE:
            wanted = {name.name for name in names}
            since = min(name.sent_at for name in names) - _SKEW
            listed = {str(order.get("client_order_id")): order for order in self._listed("all", since)}
            found = {name: order for name, order in listed.items() if name in wanted}
        missing = [name.name for name in names if name.name not in found]
        return found | {name: self.by_name(name) for name in missing}

    def open_orders(self) -> list[Fields]:
        """Return the orders that work."""
        return list(self._listed("open", None))

    def _listed(self, status: str, since: datetime | None) -> Iterator[Fields]:
        """Go through the orders that were submitted after an instant, oldest first."""
        after = None if since is None else _written(since)
        for _ in range(ORDERS_PAGES):
            query: dict[str, Any] = {"status": status, "direction": "asc", "limit": ORDERS_PAGE}
            page: list[Fields] = self._rest.get("/orders", **query, **({"after": after} if after else {}))
            yield from page
            if len(page) < ORDERS_PAGE or page[-1]["submitted_at"] == after:
                return
            after = page[-1]["submitted_at"]

    def fills(self, since: datetime) -> list[Fields]:
        """Return what was traded since an instant, oldest first."""
        found: list[Fields] = []
        query: dict[str, Any] = {"after": _written(since), "direction": "asc", "page_size": FILLS_PAGE}
        while True:
            page: list[Fields] = self._rest.get("/account/activities/FILL", **query)
            found += page
            if len(page) < FILLS_PAGE:
                return found
            query["page_token"] = page[-1]["id"]

    def fills_of(self, orders: Sequence[Fields]) -> list[Fields]:
        """Return what was traded of these orders."""
        ids = {str(order["id"]) for order in orders}
        starts = [words.instant(order.get("submitted_at")) for order in orders]
        since = min((start for start in starts if start), default=None)
        return [fill for fill in self.fills(since - _SKEW) if str(fill["order_id"]) in ids] if since else []


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
