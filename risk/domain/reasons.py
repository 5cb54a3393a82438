"""The reasons risk refuses with: a code, its facts, and the one place that owns its sentence."""

from __future__ import annotations

from collections.abc import Mapping

from trading_portal.kernel.errors import Fact, fact_text

SENTENCES: Mapping[str, str] = {
    "ORDER_INVALID": "The order's {field} is not usable: {value}.",
    "QUANTITY_OFF_LOT": "The quantity {quantity} is not a multiple of the lot size {lot}.",
    "PRICE_OFF_TICK": "The price {price} is not a multiple of the tick {tick}.",
    "QUANTITY_ABOVE_LIMIT": "The quantity {quantity} is above the limit of {limit} per order.",
    "NOTIONAL_ABOVE_LIMIT": "The order is worth {notional} {currency}, above the limit of {limit} per order.",
    "PRICE_OUTSIDE_COLLAR": "The price {price} is worse than {bound}, the furthest allowed from {reference}.",
    "PRICE_STALE": "The last price is {age} s old; at most {limit} s are allowed.",
    "PRICE_MISSING": "There is no price for {symbol}, so the order cannot be judged.",
    "BUYING_POWER_EXCEEDED": "The order needs {needed} {currency}; {available} are free.",
    "POSITION_ABOVE_LIMIT": "The position with working orders would be {position}, above the limit of {limit}.",
    "CONCENTRATION_ABOVE_LIMIT": "{symbol} would be {exposure} of {equity} equity; {allowed} are allowed.",
    "EQUITY_UNKNOWN": "The account's equity is not known, so its concentration cannot be judged.",
    "EQUITY_NOT_POSITIVE": "The account's equity is {equity}, so it can take no new exposure.",
    "ORDER_RATE_ABOVE_LIMIT": "This would be order number {orders} within a second; {limit} are allowed.",
    "DUPLICATE_ORDER": "The same order was placed {age} s ago; it can be placed again after {limit} s.",
    "OPEN_ORDERS_ABOVE_LIMIT": "This would be open order number {orders}; {limit} are allowed.",
    "MARKET_CLOSED": "The market for {symbol} is {session}; only orders with a price that are day or gtc wait.",
    "INSTRUMENT_HALTED": "Trading in {symbol} is halted.",
    "INSTRUMENT_NOT_TRADABLE": "{symbol} cannot be traded here.",
    "ACCOUNT_CLOSED": "The account is closed.",
    "SHORT_NOT_ALLOWED": "Only {available} can be sold; selling {quantity} would go short, which is not allowed.",
    "SHORT_THROUGH_ZERO": "{held} are held: sell them first. One order cannot sell them and go short as well.",
    "SHORT_NOT_WHOLE": "Only whole units can be sold short, not {quantity}.",
    "SHORT_VALUE_ABOVE_LIMIT": "{value} {currency} would be sold short, above the limit of {limit}.",
    "MARGIN_UNKNOWN": "A price or rate for what was sold short in {currency} is missing, so its margin is not known.",
    "NOT_CLOSING": "The order was to close a position only: {held} of {symbol} are held, and {quantity} is more.",
    "STOP_WRONG_SIDE": "A {side} stop at {stop} is on the wrong side of the market, which is at {reference}.",
    "AUCTION_CLOSED": "The auction of {symbol} that a {time_in_force} order is for takes no orders now.",
    "NOTIONAL_BUYS_NOTHING": "{notional} buys less of {symbol} than the least part, {fraction}.",
    "SELF_TRADE": "The order would trade against the account's own order {order_id} at {price}.",
    "TRADING_HALTED": "Trading is halted for {scope}; orders can only be cancelled.",
    "TRADING_REDUCING": "Trading is restricted for {scope}; only orders that reduce a position are taken.",
    "KILL_SWITCH_ON": "The kill switch is on for {scope}; orders can only be cancelled.",
    "BROKER_UNAVAILABLE": "The broker {venue} cannot be reached now; the order was not sent.",
    "BASKET_REFUSED": "The basket was refused because of {culprits}: none of its orders was accepted.",
    "LIMIT_MISSING": "No limit is set for {rule}, so the order cannot be judged.",
    "NO_RATE": "There is no rate from {currency} to {base}, so the order cannot be judged.",
    "LIMIT_NOT_FOUND": "There is no such limit.",
    "LIMIT_UNCHANGED": "That is what the limit says already.",
    "LIMIT_MOVED": "The limit was changed by somebody else: it is at version {version} now.",
    "LIMIT_VALUE_INVALID": "The value {value} is not one this limit can have.",
    "LIMIT_IS_TEMPORARY": "The limit is loosened until {until}; tighten it, or wait.",
    "LIMIT_SCOPE_TAKEN": "There is a limit for that rule and scope already.",
    "LIMIT_SCOPE_INVALID": "The order rate is limited per account or for the firm, not per instrument.",
    "REASON_REQUIRED": "Say why, in at most {limit} characters.",
    "PERSON_REQUIRED": "Only a signed-in person can do this, not {actor}.",
    "CHANGE_NOT_FOUND": "There is no such change request.",
    "CHANGE_NOT_PENDING": "The change request is {state} already.",
    "CHANGE_ALREADY_PENDING": "A change of this is waiting for approval already.",
    "CHANGE_STALE": "It has changed since this was proposed; propose it again.",
    "CHANGE_EXPIRED": "The change was to end at {until}, which has passed.",
    "CHANGE_EXPIRY_INVALID": "The end of a change must lie in the future; only a loosened limit can have one.",
    "APPROVER_IS_PROPOSER": "A change must be approved by a second person.",
    "STATE_NOT_FOUND": "There is no such trading state.",
    "STATE_UNCHANGED": "Trading is {state} there already.",
    "SWITCH_NOT_FOUND": "There is no such kill switch.",
    "SWITCH_RELEASED": "The kill switch is released already.",
    "SCOPE_NOT_FOUND": "There is no such {kind}.",
    "BREACH_NOT_FOUND": "There is no such breach.",
    "BREACH_ACKNOWLEDGED": "The breach is acknowledged already.",
}


class _Facts(dict[str, str]):
    """Let a sentence miss a fact without failing."""

    def __missing__(self, name: str) -> str:
        """Return a dash for a fact that is not there."""
        return "-"


def sentence(code: str, facts: Mapping[str, Fact]) -> str:
    """Return what a person reads for a reason; an unknown code speaks for itself."""
    template = SENTENCES.get(code)
    if template is None:
        return code
    return template.format_map(_Facts((name, fact_text(value)) for name, value in facts.items()))
