"""Turn the body of a replace into what it asks to change."""

from __future__ import annotations

from collections.abc import Mapping

from orders.domain.commands import ReplaceFields
from orders.domain.reading import Reader
from orders.domain.types import TimeInForce
from trading_portal.kernel.errors import Reason, reason

_TERMS = ("qty", "time_in_force", "limit_price", "stop_price", "trail", "good_till")
_KNOWN = frozenset((*_TERMS, "client_order_id"))


def parse_replace(body: object) -> ReplaceFields | list[Reason]:
    """Return what a replace asks to change, or every reason why its body asks for nothing we know.

    Fields are those of Alpaca's `PATCH /v2/orders/{id}`, and `good_till` of ours. Whether they suit the order
    (a trail for a trailing stop, a price on the grid) is judged where the order is at hand.
    """
    if not isinstance(body, Mapping):
        return [reason("BODY_NOT_AN_OBJECT")]
    reader = Reader.of(body, _KNOWN)
    fields = ReplaceFields(
        quantity=reader.amount_if_given("qty"),
        time_in_force=reader.choice_if_given("time_in_force", TimeInForce),
        limit_price=reader.amount_if_given("limit_price"),
        stop_price=reader.amount_if_given("stop_price"),
        trail=reader.amount_if_given("trail"),
        good_till=reader.instant_if_given("good_till"),
        client_order_id=reader.client_order_id(),
    )
    if not any(reader.has(name) for name in _TERMS):
        reader.refuse("REPLACE_EMPTY", fields=", ".join(_TERMS))
    if fields.good_till is not None and fields.time_in_force not in (None, TimeInForce.GTC):
        reader.refuse("GOOD_TILL_NEEDS_GTC")
    return reader.found or fields
