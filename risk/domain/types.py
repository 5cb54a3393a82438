"""What a check looks at, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

from marketdata.domain.types import InstrumentFacts
from positions.domain.types import WorkingOrders
from risk.domain.words import STOPS
from trading_portal.kernel.errors import Fact, Reason
from trading_portal.kernel.money import ZERO

NO_FACTS: Mapping[str, Fact] = {}


class OrderIntent(msgspec.Struct, frozen=True):
    """An order somebody wants, before it is one; words and numbers are checked here, not believed.

    `quantity` may still trade. A replace says in `instead_of` what its order holds now, in `filled` what that has
    traded, and whether it leaves less at stake than there is: such a one is let by like an exit.
    `quantity` is 0 where `notional` is given: it is worked out from the price that the order is judged by.
    `exit_stop` is the stop of an exit that is measured at the market: of a market order, or of an OCO order's own.
    `is_plain` says that it has no legs and no algorithm; `is_on_time` that the auction it is for still takes orders.
    `fee_rate` (a share of the amount) and `fee_per_unit` are what its venue charges.
    """

    order_id: UUID
    account_id: UUID
    owner_id: UUID
    instrument: InstrumentFacts
    side: str
    order_type: str
    time_in_force: str
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    placed_at: datetime
    base_currency: str
    venue: str = ""
    is_venue_available: bool = True
    filled: Decimal = ZERO
    instead_of: WorkingOrders | None = None
    is_decreasing: bool = False
    notional: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    extended_hours: bool = False
    closes_only: bool = False
    exit_stop: Decimal | None = None
    is_plain: bool = True
    is_on_time: bool = True
    fee_rate: Decimal = ZERO
    fee_per_unit: Decimal = ZERO

    @property
    def whole_quantity(self) -> Decimal:
        """Return the order's units, those traded included."""
        return self.quantity + self.filled

    @property
    def is_dormant(self) -> bool:
        """Tell whether it is a stop, which waits unseen until the market reaches it."""
        return self.order_type in STOPS


class Mode(StrEnum):
    """Say what a scope may do: anything, exits only, cancels only."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


MODE_RANK = {Mode.ACTIVE: 0, Mode.REDUCING: 1, Mode.HALTED: 2}


class Verdict(StrEnum):
    """Say how one rule judged; only `breached` refuses."""

    PASSED = "passed"
    WARNED = "warned"
    BREACHED = "breached"
    EXEMPT = "exempt"
    OFF = "off"


class LimitFacts(msgspec.Struct, frozen=True):
    """One rule's limit as it holds for an account and an instrument, and where it comes from."""

    rule: str
    value: Decimal
    version: int
    scope: str
    is_enforced: bool = True
    is_per_instrument: bool = False


Limits = Mapping[str, LimitFacts]


class PriceFacts(msgspec.Struct, frozen=True):
    """The price an order is judged by: `quote` is live, `close` the last one known; age in seconds since received."""

    reference: Decimal
    bid: Decimal | None
    ask: Decimal | None
    age: Decimal
    is_quote: bool


class Resting(msgspec.Struct, frozen=True):
    """An own order that is working; a market order has no price."""

    order_id: UUID
    price: Decimal | None


class Restriction(msgspec.Struct, frozen=True):
    """A trading state or a kill switch that covers the order; `scope` says how: firm, account, AAPL, paper."""

    scope: str
    mode: Mode = Mode.HALTED


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a decision depends on, at one instant, for one intent.

    Money is in the account's currency. None means not known, which no rule takes for a yes.
    `duplicate_age` is the age in seconds of the newest order like this one. `margin` is what shares sold short hold
    of the cash, `short_value` what they and open short sells are worth, `short_value_here` those of this instrument.
    """

    is_account_open: bool = True
    is_open: bool | None
    price: PriceFacts | None
    rate: Decimal | None
    cash: Decimal
    reserved: Decimal = ZERO
    equity: Decimal | None
    holding: Decimal = ZERO
    working_buy: Decimal = ZERO
    working_sell: Decimal = ZERO
    working_buy_value: Decimal = ZERO
    open_orders: int = 0
    open_orders_here: int = 0
    recent_orders: int = 0
    duplicate_age: Decimal | None = None
    buys: tuple[Resting, ...] = ()
    sells: tuple[Resting, ...] = ()
    states: tuple[Restriction, ...] = ()
    switches: tuple[Restriction, ...] = ()
    may_short: bool = False
    margin: Decimal | None = ZERO
    short_value: Decimal | None = ZERO
    short_value_here: Decimal | None = ZERO


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one rule judged one order: exposure value against limit, and why it refused.

    `before` is the exposure without this order, so that a warning is raised once, when 80% is crossed.
    """

    rule: str
    verdict: Verdict = Verdict.PASSED
    value: Decimal | None = None
    limit: Decimal | None = None
    version: int | None = None
    scope: str = ""
    before: Decimal = ZERO
    code: str = ""
    facts: Mapping[str, Fact] = NO_FACTS


class Decision(msgspec.Struct, frozen=True):
    """Whether an order may be, with every check; its intent has the quantity that a notional came to.

    `worst_price` is what its reservation holds per unit: the most a unit may trade for, of a buy with `unit_fee`.
    """

    order_id: UUID
    account_id: UUID
    approved: bool
    checks: tuple[Check, ...]
    reasons: tuple[Reason, ...]
    worst_price: Decimal | None
    reference_price: Decimal | None
    is_reducing: bool
    in_session: bool
    intent: OrderIntent
    snapshot: Snapshot
    unit_fee: Decimal | None = None
