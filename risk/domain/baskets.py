"""Control 24: a basket that is to be taken whole or not at all is refused for any one of its orders."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from risk.domain.case import breached
from risk.domain.types import Check, Decision
from trading_portal.kernel.errors import Reason, reason

RULE = "basket"
_NAMED = 10


def basket_reason(culprits: Sequence[str]) -> Reason:
    """Return why orders are refused that are no fault of their own; it names the first of those that are."""
    named = ", ".join(culprits[:_NAMED])
    more = len(culprits) - _NAMED
    return reason("BASKET_REFUSED", culprits=f"{named} and {more} more" if more > 0 else named)


def basket_refused(decision: Decision, culprits: Sequence[str]) -> Decision:
    """Return a decision as its basket leaves it: an order that was to be approved is refused with the others."""
    if not decision.approved:
        return decision
    why = basket_reason(culprits)
    check: Check = breached(RULE, why.code, **why.facts)
    return replace(decision, approved=False, checks=(*decision.checks, check), reasons=(why,))
