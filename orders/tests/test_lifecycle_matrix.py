"""The lifecycle table against a matrix written by hand from the specification, which no code imports.

Every order is for 10. A trade in part is 3, the rest is what is left (at least 1), over is 5 more than that. A bust
takes the whole fill back, a correction makes it 2; a replace asks for 12; a split gives two for one. `.` is a move that
is not allowed; `+c` and `+r` are a pending cancel and replace, `?` the unknown flag.
"""

import csv
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest

from orders.domain.order import LIVE, EventKind, OrderEvent, OrderState
from orders.domain.states import InvalidTransition, anomalies, apply, status_of
from orders.domain.types import BaseState, PendingOperation, TimeInForce

MATRIX = Path(__file__).with_name("lifecycle_matrix.csv")
QUANTITY = Decimal(10)
CODES = {
    "ac": BaseState.ACCEPTED,
    "he": BaseState.HELD,
    "pn": BaseState.PENDING_NEW,
    "n": BaseState.NEW,
    "pf": BaseState.PARTIALLY_FILLED,
    "st": BaseState.STOPPED,
    "su": BaseState.SUSPENDED,
    "dd": BaseState.DONE_FOR_DAY,
    "ca": BaseState.CALCULATED,
    "f": BaseState.FILLED,
    "c": BaseState.CANCELED,
    "e": BaseState.EXPIRED,
    "r": BaseState.REJECTED,
    "rp": BaseState.REPLACED,
}
OVERLAYS = {"": PendingOperation.NONE, "c": PendingOperation.CANCEL, "r": PendingOperation.REPLACE}


def matrix() -> list[dict[str, str]]:
    with MATRIX.open() as file:
        return [{key.strip(): value.strip() for key, value in row.items()} for row in csv.DictReader(file)]


ROWS = matrix()
HEADINGS = [name for name in ROWS[0] if name not in ("base", "overlay", "cum", "tif", "unknown")]


def state(row: dict[str, str]) -> OrderState:
    cum = Decimal(row["cum"])
    return OrderState(
        base=BaseState(row["base"]),
        pending=PendingOperation(row["overlay"]),
        is_unknown=row["unknown"] == "yes",
        time_in_force=TimeInForce(row["tif"]),
        quantity=QUANTITY,
        filled_quantity=cum,
        filled_value=cum * 100,
    )


def event(heading: str, cum: Decimal) -> OrderEvent:
    word, _, how_much = heading.partition(" ")
    kind, rest = EventKind(word), max(QUANTITY - cum, Decimal(1))
    if kind is EventKind.TRADED:
        return OrderEvent(
            kind, quantity={"part": Decimal(3), "rest": rest, "over": rest + 5}[how_much], price=Decimal(90)
        )
    if kind in (EventKind.BUSTED, EventKind.CORRECTED):
        fill = cum or Decimal(1)
        return OrderEvent(kind, Decimal(2), Decimal(110), was_quantity=fill, was_price=Decimal(100))
    if kind in (EventKind.REPLACE_REQUESTED, EventKind.REPLACED):
        return OrderEvent(kind, quantity=Decimal(12))
    return OrderEvent(kind, ratio=Decimal(2) if kind is EventKind.SPLIT else Decimal(1))


def code(after: OrderState) -> str:
    base = next(short for short, base in CODES.items() if base is after.base)
    overlay = next(short for short, pending in OVERLAYS.items() if pending is after.pending)
    return base + (f"+{overlay}" if overlay else "") + ("?" if after.is_unknown else "")


def name(row: dict[str, str]) -> str:
    return "-".join(row[part] for part in ("base", "overlay", "cum", "tif", "unknown"))


def test_the_matrix_names_every_base_overlay_and_event():
    pairs = {(row["base"], row["overlay"], row["unknown"]) for row in ROWS}
    every = product((base.value for base in BaseState), (pending.value for pending in PendingOperation), ("no", "yes"))
    assert pairs == set(every)
    assert all(row[heading] for row in ROWS for heading in HEADINGS)
    assert {heading.partition(" ")[0] for heading in HEADINGS} == {kind.value for kind in EventKind}
    assert len({name(row) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_every_move_is_what_the_matrix_says(row):
    before = state(row)
    told = {}
    for heading in HEADINGS:
        try:
            told[heading] = code(apply(before, event(heading, before.filled_quantity)))
        except InvalidTransition:
            told[heading] = "."
    assert told == {heading: row[heading] for heading in HEADINGS}


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_after_every_move_the_quantities_add_up(row):
    before = state(row)
    for heading in HEADINGS:
        if row[heading] == ".":
            continue
        happening = event(heading, before.filled_quantity)
        after = apply(before, happening)
        is_paused = after.base is BaseState.DONE_FOR_DAY and after.time_in_force is TimeInForce.GTC
        leaves = max(after.quantity - after.filled_quantity, Decimal(0)) if after.base in LIVE or is_paused else 0
        assert after.leaves_quantity == leaves
        assert after.filled_quantity >= 0
        fewer = after.filled_quantity < before.filled_quantity
        assert not fewer or happening.kind in (EventKind.BUSTED, EventKind.CORRECTED)
        value = before.filled_value
        if happening.kind in (EventKind.TRADED, EventKind.CORRECTED):
            value += happening.quantity * happening.price - happening.was_quantity * happening.was_price
        elif happening.kind is EventKind.BUSTED:
            value -= happening.was_quantity * happening.was_price
        assert after.filled_value == value
        if after.filled_quantity:
            assert after.average_price == round(after.filled_value / after.filled_quantity, 10)


def test_an_overlay_goes_before_every_base_in_the_status():
    for base in BaseState:
        assert status_of(base, PendingOperation.CANCEL, is_unknown=False) == "pending_cancel"
        assert status_of(base, PendingOperation.REPLACE, is_unknown=False) == "pending_replace"
        assert status_of(base, PendingOperation.NONE, is_unknown=False) == base.value
        assert status_of(base, PendingOperation.NONE, is_unknown=True) == "unknown"


def odd(base: BaseState, cum: int, quantity: int) -> list[str]:
    before = OrderState(base, PendingOperation.NONE, False, TimeInForce.GTC, QUANTITY, Decimal(cum), Decimal(cum * 100))
    trade = OrderEvent(EventKind.TRADED, quantity=Decimal(quantity), price=Decimal(100))
    return [why.code for why in anomalies(before, trade, apply(before, trade))]


def test_what_is_odd_about_an_allowed_move_is_named():
    assert odd(BaseState.NEW, 0, 10) == []
    assert odd(BaseState.NEW, 0, 11) == ["OVER_FILL"]
    assert odd(BaseState.FILLED, 10, 1) == ["OVER_FILL"]
    assert odd(BaseState.CANCELED, 4, 1) == ["LATE_FILL"]
    assert odd(BaseState.EXPIRED, 4, 7) == ["OVER_FILL", "LATE_FILL"]
    assert odd(BaseState.SUSPENDED, 4, 1) == ["FILL_WHILE_SUSPENDED"]


def test_a_replace_below_what_is_filled_fills_the_order():
    before = OrderState(
        BaseState.PARTIALLY_FILLED, PendingOperation.REPLACE, False, TimeInForce.GTC, QUANTITY, Decimal(4), Decimal(400)
    )
    after = apply(before, OrderEvent(EventKind.REPLACED, quantity=Decimal(3)))
    assert (after.base, after.quantity, after.leaves_quantity) == (BaseState.FILLED, 4, 0)


def test_a_split_keeps_the_value_and_restates_the_rest():
    before = OrderState(
        BaseState.PARTIALLY_FILLED, PendingOperation.NONE, False, TimeInForce.GTC, QUANTITY, Decimal(4), Decimal(400)
    )
    after = apply(before, OrderEvent(EventKind.SPLIT, ratio=Decimal(2)))
    assert (after.quantity, after.filled_quantity, after.average_price) == (20, 8, 50)
