"""Where the router sends an order, and how an order is cut over time."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.domain.routing import Slice, VenueView, displayed, route
from orders.domain.schedules import due_quantity, next_due_at, steps_of
from positions.domain.types import Side

LOT = Decimal(1)
AT = datetime(2026, 1, 5, 15, tzinfo=UTC)


def view(venue: str, *levels: tuple[str, str], **more) -> VenueView:
    return VenueView(venue=venue, levels=tuple((Decimal(p), Decimal(s)) for p, s in levels), **more)


def sent(quantity: str, *views: VenueView, side=Side.BUY, limit=None, is_resting=True) -> dict[str, int]:
    limit_price = Decimal(limit) if limit else None
    decision = route(
        side=side, quantity=Decimal(quantity), limit_price=limit_price, lot=LOT, views=views, is_resting=is_resting
    )
    return {each.venue: int(each.quantity) for each in decision.slices}


def test_the_cheapest_displayed_levels_are_taken_first_over_all_venues():
    views = view("a", ("10.00", "5"), ("10.02", "50")), view("b", ("10.01", "7"))
    assert sent("20", *views) == {"a": 13, "b": 7}


def test_a_fee_counts_as_price():
    cheap_and_dear = view("a", ("10.00", "50"), fee_per_unit=Decimal("0.02")), view("b", ("10.01", "50"))
    assert sent("20", *cheap_and_dear) == {"b": 20}
    sells = view("a", ("10.00", "50"), fee_rate=Decimal("0.01")), view("b", ("9.95", "50"))
    assert sent("20", *sells, side=Side.SELL) == {"b": 20}


def test_who_sells_takes_the_highest_bid():
    assert sent("5", view("a", ("10.00", "50")), view("b", ("10.01", "50")), side=Side.SELL) == {"b": 5}


def test_the_quicker_of_two_equal_venues_is_taken():
    assert sent("5", view("a", ("10", "50"), latency=0.02), view("b", ("10", "50"), latency=0.01)) == {"b": 5}


def test_a_suspect_venue_comes_last_and_a_broken_one_never():
    views = (
        view("bad", ("9.00", "50"), is_broken=True),
        view("slow", ("9.50", "50"), is_suspect=True),
        view("good", ("10.00", "5")),
    )
    assert sent("8", *views) == {"good": 5, "slow": 3}
    assert sent("8", views[0]) == {}


def test_what_is_beyond_the_limit_rests_at_the_best_venue_or_is_not_placed():
    views = view("a", ("10.00", "5"), ("10.05", "50")), view("b", ("10.01", "5"))
    assert sent("20", *views, limit="10.01") == {"a": 15, "b": 5}
    assert sent("20", *views, limit="10.01", is_resting=False) == {"a": 5, "b": 5}
    decision = route(
        side=Side.BUY, quantity=Decimal(20), limit_price=Decimal("10.01"), lot=LOT, views=views, is_resting=False
    )
    assert decision.unplaced == 10
    assert displayed(side=Side.BUY, limit_price=Decimal("10.01"), lot=LOT, views=views) == 10


LEVELS = st.lists(st.tuples(st.integers(900, 1100), st.integers(0, 40)), max_size=4)
VIEWS = st.lists(st.tuples(LEVELS, st.booleans(), st.booleans()), min_size=1, max_size=5)


@given(VIEWS, st.integers(1, 200), st.sampled_from(Side), st.one_of(st.none(), st.integers(900, 1100)), st.booleans())
def test_the_slices_are_the_order_and_no_venue_gets_more_than_it_shows_but_the_one_where_it_rests(
    given_views, quantity, side, limit, is_resting
):
    views = [
        VenueView(
            venue=str(number),
            levels=tuple(sorted(((Decimal(p), Decimal(s)) for p, s in levels), key=lambda each: side.sign * each[0])),
            is_suspect=suspect,
            is_broken=broken,
        )
        for number, (levels, suspect, broken) in enumerate(given_views)
    ]
    limit_price = None if limit is None else Decimal(limit)
    decision = route(
        side=side, quantity=Decimal(quantity), limit_price=limit_price, lot=LOT, views=views, is_resting=is_resting
    )
    assert sum(each.quantity for each in decision.slices) + decision.unplaced == quantity
    assert all(each.quantity > 0 for each in decision.slices)
    by_name = {each.venue: each for each in views}
    beyond = 0
    for each in decision.slices:
        seen = by_name[each.venue]
        assert not seen.is_broken
        shown = displayed(side=side, limit_price=limit_price, lot=LOT, views=[seen])
        beyond += each.quantity > shown
    assert beyond <= (1 if is_resting else 0)
    if is_resting and any(not each.is_broken for each in views):
        assert not decision.unplaced


def test_twap_cuts_equal_steps_and_misses_nothing_after_a_pause():
    steps = steps_of(quantity=Decimal(10), lot=LOT, starts_at=AT, ends_at=AT + timedelta(seconds=50), slices=5)
    assert [(int((s.due_at - AT).total_seconds()), int(s.quantity)) for s in steps] == [
        (0, 2), (10, 2), (20, 2), (30, 2), (40, 2)
    ]  # fmt: skip
    assert due_quantity(steps, AT + timedelta(seconds=25)) == 6
    assert next_due_at(steps, AT + timedelta(seconds=25)) == AT + timedelta(seconds=30)
    assert next_due_at(steps, AT + timedelta(seconds=40)) is None


def test_vwap_follows_the_usual_volume():
    steps = steps_of(
        quantity=Decimal(100), lot=LOT, starts_at=AT, ends_at=AT + timedelta(minutes=4), slices=4,
        volumes=[Decimal(4), Decimal(1), Decimal(1), Decimal(2)],
    )  # fmt: skip
    assert [int(step.quantity) for step in steps] == [50, 12, 13, 25]


@given(
    st.integers(1, 5000), st.integers(0, 7200), st.one_of(st.none(), st.integers(1, 500)),
    st.lists(st.integers(0, 1000), max_size=12),
)  # fmt: skip
def test_steps_are_whole_lots_in_order_within_the_time_and_together_the_quantity(lots, seconds, slices, volumes):
    lot = Decimal("0.5")
    ends_at = AT + timedelta(seconds=seconds)
    steps = steps_of(
        quantity=lots * lot, lot=lot, starts_at=AT, ends_at=ends_at, slices=slices,
        volumes=[Decimal(volume) for volume in volumes],
    )  # fmt: skip
    assert sum(step.quantity for step in steps) == lots * lot
    assert all(step.quantity > 0 and not step.quantity % lot for step in steps)
    assert [step.due_at for step in steps] == sorted({step.due_at for step in steps})
    assert all(AT <= step.due_at <= ends_at for step in steps)


@pytest.mark.parametrize("side", list(Side))
def test_no_venue_with_a_price_still_gives_a_place_to_rest(side):
    decision = route(side=side, quantity=LOT, limit_price=Decimal(9), lot=LOT, views=[view("a")], is_resting=True)
    assert decision.slices == (Slice("a", LOT),)
