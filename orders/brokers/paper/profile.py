"""How a paper venue behaves: how slow it is, what it charges, what it displays, and what goes wrong on its wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal

from trading_portal.kernel.money import ZERO, stored

ONE = Decimal(1)
_HUNDRED = Decimal(100)
Levels = Sequence[tuple[Decimal, Decimal]]


@dataclass(frozen=True, slots=True)
class Faults:
    """Say what share of things goes wrong between a venue and us; the venue's own books and drop copy stay true.

    Of the reports, shares are dropped, duplicated, reordered (held back for up to `reorder_seconds`, so that later ones
    overtake them) or delayed by `delay_seconds`. Of the messages to the venue a share is lost, and of the calls a share
    fails, half of them after the venue was told, and a share never returns. The same seed makes the same faults.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: float = 0.0
    lose: float = 0.0
    fail: float = 0.0
    hang: float = 0.0
    delay_seconds: float = 1.0
    reorder_seconds: float = 0.05
    seed: int = 1


@dataclass(frozen=True, slots=True)
class PaperProfile:
    """Set a venue's delays (seconds), fees (a share of the amount, and an amount for each unit) and liquidity.

    A message takes `latency` and, on average, `jitter` more; messages never overtake each other. An order works for
    `resting` seconds before it may trade, so that people see it working. The venue's quote lies `offset_ticks` outside
    the market's (inside, where negative) and shows `depth_share` of its sizes. One fill is at most `slice_share` of its
    order.
    """

    latency: float = 0.003
    resting: float = 0.03
    fee_rate: Decimal = ZERO
    fee_per_unit: Decimal = ZERO
    jitter: float = 0.0
    offset_ticks: int = 0
    depth_share: Decimal = ONE
    slice_share: Decimal = ONE
    has_scenarios: bool = True
    scenario_seconds: float = 1.0
    faults: Faults = field(default_factory=Faults)

    def fee(self, *, quantity: Decimal, price: Decimal) -> Decimal:
        """Return what one fill costs, in the currency of its price."""
        return stored(quantity * price * self.fee_rate + quantity * self.fee_per_unit)

    def slice_of(self, quantity: Decimal, *, lot: Decimal) -> Decimal:
        """Return the largest fill of an order, in whole lots; 0 where it may fill at once."""
        return ZERO if self.slice_share >= ONE else max(lot, _in_steps(quantity * self.slice_share, lot))

    def displayed(self, bids: Levels, asks: Levels, *, tick: Decimal, lot: Decimal) -> tuple[Levels, Levels]:
        """Return what this venue displays of the market's depth; the market's own where the two would cross."""
        if not self.offset_ticks and self.depth_share == ONE:
            return bids, asks
        away = tick * self.offset_ticks
        if bids and asks and bids[0][0] - away >= asks[0][0] + away:
            away = ZERO
        shares = [[(price, _in_steps(size * self.depth_share, lot)) for price, size in side] for side in (bids, asks)]
        return [(price - away, size) for price, size in shares[0]], [(price + away, size) for price, size in shares[1]]


def profile_of(numbers: Mapping[str, Decimal]) -> PaperProfile:
    """Return the profile that a venue's settings say."""
    return PaperProfile(
        latency=_seconds(numbers["LATENCY_MS"]),
        resting=_seconds(numbers["RESTING_MS"]),
        fee_rate=numbers["FEE_RATE"],
        fee_per_unit=numbers["FEE_PER_UNIT"],
        jitter=_seconds(numbers["JITTER_MS"]),
        offset_ticks=int(numbers["OFFSET_TICKS"]),
        depth_share=numbers["DEPTH_PERCENT"] / _HUNDRED,
        slice_share=numbers["SLICE_PERCENT"] / _HUNDRED,
        has_scenarios=bool(numbers["SCENARIOS"]),
        scenario_seconds=_seconds(numbers["SCENARIO_MS"]),
        faults=Faults(
            drop=_share(numbers["DROP_PERCENT"]),
            duplicate=_share(numbers["DUPLICATE_PERCENT"]),
            reorder=_share(numbers["REORDER_PERCENT"]),
            delay=_share(numbers["DELAY_PERCENT"]),
            lose=_share(numbers["LOSE_PERCENT"]),
            fail=_share(numbers["FAIL_PERCENT"]),
            hang=_share(numbers["HANG_PERCENT"]),
            delay_seconds=_seconds(numbers["DELAY_MS"]),
            reorder_seconds=_seconds(numbers["REORDER_MS"]),
            seed=int(numbers["FAULT_SEED"]),
        ),
    )


def _seconds(milliseconds: Decimal) -> float:
    return float(milliseconds / 1000)


def _share(percent: Decimal) -> float:
    return float(percent / _HUNDRED)


def _in_steps(size: Decimal, step: Decimal) -> Decimal:
    return (size / step).to_integral_value(ROUND_DOWN) * step if step else size
