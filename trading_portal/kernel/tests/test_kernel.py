"""The kernel keeps money exact, ids ordered and time steppable."""

import pickle
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_portal.kernel import clock, ids, money, pace
from trading_portal.kernel.errors import reason

REFUSED_NUMBERS = [
    "NaN", "Infinity", "-Infinity", "1e400", "1e3", "-0", "-0.00", "1_000", "１２", " 12 ", "9" * 999, "1.12345678901",
    "", ".", "1.", ".5", "+1", "0x10", "1,000", "١٢", True, False, 1.5, None, [], Decimal("NaN"), Decimal("Infinity"),
    Decimal("1e400"),
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED_NUMBERS, ids=repr)
def test_what_is_not_a_plain_number_is_refused(text):
    assert money.parse(text) is None


@given(st.decimals(min_value="-999999999999999999", max_value="999999999999999999", places=10))
def test_every_plain_number_survives_writing_and_reading(value):
    written = money.plain(value)
    assert "E" not in written
    assert not ("." in written and written.endswith("0"))
    assert money.parse(written) == value


@given(st.integers(1, 10**12), st.sampled_from(["0.01", "0.0001", "0.05", "1", "0.00000001"]))
def test_a_price_moved_to_its_tick_lies_on_the_grid_at_most_half_a_tick_away(raw, tick):
    price, step = Decimal(raw) / 10**7, Decimal(tick)
    moved = money.to_tick(price, tick=step)
    assert money.is_multiple(moved, step)
    assert abs(moved - price) <= step / 2


def test_ids_made_in_a_rush_only_grow():
    made = [ids.uuid7() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {identifier.version for identifier in made} == {7}


def test_ids_keep_growing_when_the_clock_goes_back():
    first = ids.uuid7()
    with clock.frozen(clock.now() - timedelta(days=1)):
        assert ids.uuid7() > first


def test_a_frozen_clock_moves_only_by_steps():
    at = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
    with clock.frozen(at):
        assert clock.now() == at
        assert clock.step(timedelta(seconds=5)) == at + timedelta(seconds=5)
        assert clock.now() == at + timedelta(seconds=5)
    with pytest.raises(RuntimeError):
        clock.step(timedelta(seconds=1))


def test_a_reason_reads_as_its_code_and_facts():
    why = reason("NOTIONAL_ABOVE_LIMIT", notional=Decimal("120500.00"), limit=Decimal(100000))
    assert str(why) == "NOTIONAL_ABOVE_LIMIT: notional=120500 limit=100000"


def test_ids_can_be_copied_and_written_like_any_other():
    made = ids.uuid7()
    assert (made.variant, UUID(str(made)), pickle.loads(pickle.dumps(made))) == (RFC_4122, made, made)
    assert repr(made) == f"UUID('{made}')"


def test_a_batch_rests_as_long_as_it_took_and_never_longer_than_allowed(monkeypatch):
    rests = []
    stopping = threading.Event()
    monkeypatch.setattr(stopping, "wait", rests.append)
    for took in (0.02, 5.0):
        monkeypatch.setattr(clock, "monotonic", lambda: 10.0)
        paced = pace.Pace(stopping)
        paced.begin()
        monkeypatch.setattr(clock, "monotonic", lambda took=took: 10.0 + took)
        paced.rest()
    assert rests == [pytest.approx(0.02), pace.MOST_SECONDS]
