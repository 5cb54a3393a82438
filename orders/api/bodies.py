"""Read the bodies of commands, with the one parser of orders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from accounts.api.errors import Problem
from accounts.domain.idempotency import IdempotencyClaim
from orders.api.problems import unreadable
from orders.domain.commands import OrderFields, ReplaceFields
from orders.domain.parsing import decode_json_body, parse_order, parse_replace
from trading_portal.kernel.errors import Reason, reason

BULK_LIMIT = 1_000
_BULK_FIELDS = frozenset(("orders", "all_or_none"))


@dataclass(frozen=True, slots=True)
class BulkBody:
    """Many orders as they were sent: each parsed, or why it could not be."""

    given: tuple[Any, ...]
    parsed: tuple[OrderFields | Problem, ...]
    all_or_none: bool = False

    @property
    def orders(self) -> tuple[OrderFields, ...]:
        """Return those that are to be placed, in their order: what are orders; of a spoiled basket nothing."""
        return () if self.is_spoiled else tuple(each for each in self.parsed if not isinstance(each, Problem))

    @property
    def is_spoiled(self) -> bool:
        """Tell whether the orders were to be taken whole, and one of them is no order."""
        return self.all_or_none and any(isinstance(each, Problem) for each in self.parsed)

    @property
    def culprits(self) -> list[str]:
        """Return what names those that are no orders."""
        return [self.named(i) or f"order {i}" for i, each in enumerate(self.parsed) if isinstance(each, Problem)]

    def named(self, index: int) -> str | None:
        """Return the client_order_id that the sender gave, for one that could not be read."""
        given = self.given[index]
        named = given.get("client_order_id") if isinstance(given, dict) else None
        return named if isinstance(named, str) else None


def order_read(body: bytes) -> OrderFields | Problem:
    """Return the order that a body describes, or every reason why it describes none."""
    decoded = decode_json_body(body)
    return unreadable([decoded]) if isinstance(decoded, Reason) else _parsed(decoded)


def replace_read(body: bytes) -> ReplaceFields | Problem:
    """Return what a body asks to change of an order, or every reason why it asks for nothing we know."""
    decoded = decode_json_body(body)
    found = [decoded] if isinstance(decoded, Reason) else parse_replace(decoded)
    return unreadable(found) if isinstance(found, list) else found


def bulk_read(body: bytes) -> BulkBody | Problem:
    """Return the orders of a bulk body; a fault of one is its own, a fault of the whole refuses all."""
    decoded = decode_json_body(body)
    if isinstance(decoded, Reason):
        return unreadable([decoded])
    faults = _bulk_faults(decoded)
    if faults:
        return unreadable(faults)
    given = tuple(decoded["orders"])
    return BulkBody(given, tuple(_parsed(each) for each in given), decoded.get("all_or_none", False))


def with_ids(orders: Iterable[OrderFields], claim: IdempotencyClaim) -> tuple[OrderFields, ...]:
    """Give orders without an id one that follows from the Idempotency-Key: a repeat then names the same orders."""
    return tuple(
        each if each.client_order_id else replace(each, client_order_id=claim.derived_id(index))
        for index, each in enumerate(orders)
    )


def _parsed(given: Any) -> OrderFields | Problem:
    found = parse_order(given)
    return unreadable(found) if isinstance(found, list) else found


def _bulk_faults(decoded: Any) -> list[Reason]:
    if not isinstance(decoded, dict):
        return [reason("BODY_NOT_AN_OBJECT")]
    faults = [reason("FIELD_UNKNOWN", field=name[:40]) for name in decoded if name not in _BULK_FIELDS]
    orders = decoded.get("orders")
    if orders is None:
        faults.append(reason("FIELD_REQUIRED", field="orders"))
    elif not isinstance(orders, list):
        faults.append(reason("FIELD_NOT_A_LIST", field="orders"))
    elif not 0 < len(orders) <= BULK_LIMIT:
        faults.append(reason("BULK_SIZE", count=len(orders), limit=BULK_LIMIT))
    if not isinstance(decoded.get("all_or_none", False), bool):
        faults.append(reason("FIELD_NOT_BOOLEAN", field="all_or_none"))
    return faults
