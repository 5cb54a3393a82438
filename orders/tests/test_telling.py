"""Every kind of event is told in words; one of a kind nobody knows yet by its name and its own facts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from orders.domain import events
from orders.domain.telling import event_sentence, order_sentence
from orders.domain.timeline import facts, title

TAKEN = {"side": "sell", "symbol": "AAPL", "order_type": "stop_limit", "quantity": "10", "time_in_force": "gtc"}
TAKEN |= {"stop_price": "180.5", "limit_price": "180"}
KINDS = {
    kind.TYPE: kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, events.OrderPayload) and getattr(kind, "TYPE", "")
}


def _payload(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return a payload that says something in every field."""
    lists = {"slices": [{"venue": "alpha", "quantity": "6"}, {"venue": "beta", "quantity": "4"}]}
    why = {"code": "KILL_SWITCH", "facts": {}}
    terms = {"was": {"limit_price": "180"}, "becomes": {"limit_price": "181.5"}}
    known: dict[str, Any] = {**lists, **terms, "reasons": [why], "reason": why, "venues_seen": [], "text": "no"}
    return {name: known.get(name, "3") for name in kind.__struct_fields__}


@pytest.mark.parametrize("event_type", sorted(KINDS))
def test_every_kind_of_event_is_told_in_words(event_type: str) -> None:
    payload = _payload(KINDS[event_type])
    assert "_" not in title(event_type, payload)
    said = event_sentence(event_type, payload, TAKEN)
    assert "None" not in said
    assert "{" not in said


def test_an_order_is_told_as_a_trader_would() -> None:
    assert order_sentence(TAKEN) == (
        "Sell 10 AAPL, once the price reaches 180.50, at 180.00 or better, good till cancelled."
    )
    trail = {**TAKEN, "order_type": "trailing_stop", "stop_price": None, "limit_price": None, "trail_percent": "1.5"}
    assert "once the price turns by 1.5 percent, at the market" in order_sentence(trail)
    amount = {"side": "buy", "symbol": "BTC/USD", "order_type": "market", "notional": "500", "time_in_force": "day"}
    assert order_sentence(amount) == "Buy for 500 BTC/USD, at the market, for the day."


def test_a_change_says_from_what_to_what() -> None:
    payload = {"was": {"quantity": "10", "limit_price": "180"}, "becomes": {"quantity": "12", "limit_price": "181.5"}}
    assert event_sentence("order.replaced", payload, TAKEN) == "Now quantity 10 → 12, limit price 180.00 → 181.50."
    refused = event_sentence("order.replace_rejected", payload | {"text": "too late"}, TAKEN)
    assert refused.endswith("the order stays as it was. The venue says: too late.")


def test_a_router_s_fill_names_the_venue_it_came_from_and_a_split_its_ratio() -> None:
    fill = {"venue": "smart", "exec_id": "beta:7", "fill_quantity": "4", "fill_price": "9.5"}
    fill |= {"filled_quantity": "4", "quantity": "10"}
    assert event_sentence("order.executed", fill, TAKEN) == "Sold 4 at 9.50 on beta; 4 of 10 filled."
    assert event_sentence("order.executed", fill | {"venue": "paper"}, TAKEN) == "Sold 4 at 9.50; 4 of 10 filled."
    split = {"restatement": "split", "ratio": "2", "was": {"quantity": "10"}, "becomes": {"quantity": "20"}}
    assert event_sentence("order.restated", split, TAKEN) == "2 new for one old: quantity 10 → 20."


def test_an_event_of_a_kind_nobody_knows_yet_is_told_by_its_name_and_its_own_facts() -> None:
    payload = {"order_id": "x", "status": "new", "child_venue": "alpha", "depth": "3", "levels": [1, 2]}
    assert title("order.child_sent", payload) == "Child sent"
    assert facts("order.child_sent", payload) == {"child venue": "alpha", "depth": "3"}
