"""The seam between a callback world and a synchronous one: an adapter on an event loop in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Coroutine, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from orders.brokers.protocol import (
    BrokerAdapter,
    DropCopy,
    OnReports,
    TellsOpenOrders,
    TellsTraded,
    VenueCancel,
    VenueOrder,
    VenueReplace,
)
from orders.domain.reports import VenueReport

ANSWER_SECONDS = 5.0
T = TypeVar("T")


class AdapterLine:
    """Speak to an adapter from any thread; a call that takes too long raises TimeoutError, its outcome in doubt."""

    def __init__(self, adapter: BrokerAdapter) -> None:
        self._adapter = adapter
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"line-{adapter.name}", daemon=True)
        self._thread.start()

    def start(self, on_reports: OnReports) -> None:
        """Connect the adapter."""
        self._call(self._adapter.start(on_reports))

    def submit(self, orders: Sequence[VenueOrder]) -> None:
        """Send orders."""
        self._call(self._adapter.submit(orders))

    def cancel(self, cancels: Sequence[VenueCancel]) -> None:
        """Ask for cancels."""
        self._call(self._adapter.cancel(cancels))

    def replace(self, replaces: Sequence[VenueReplace]) -> None:
        """Ask for changes."""
        self._call(self._adapter.replace(replaces))

    def query(self, order_ids: Sequence[UUID]) -> Sequence[VenueReport]:
        """Ask for every report of these orders."""
        return self._call(self._adapter.query(order_ids))

    def drop_copy(self, since_id: int) -> DropCopy:
        """Ask for a page of the drop copy."""
        return self._call(self._adapter.drop_copy(since_id))

    def open_orders(self) -> Collection[UUID] | None:
        """Ask which orders work at the venue; None where it cannot say."""
        return self._call(self._adapter.open_orders()) if isinstance(self._adapter, TellsOpenOrders) else None

    def traded(self) -> Mapping[str, Decimal] | None:
        """Ask what the venue has traded in sum; None where it cannot say."""
        return self._call(self._adapter.traded()) if isinstance(self._adapter, TellsTraded) else None

    def stop(self) -> None:
        """Disconnect the adapter."""
        self._call(self._adapter.stop())

    def close(self) -> None:
        """End the loop; nothing can be said any more."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()

    def _call(self, call: Coroutine[Any, Any, T]) -> T:
        answer = asyncio.run_coroutine_threadsafe(call, self._loop)
        try:
            return answer.result(ANSWER_SECONDS)
        except TimeoutError:
            answer.cancel()
            raise
