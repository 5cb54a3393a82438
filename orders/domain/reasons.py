"""The reasons that orders own, and their sentences; risk's come from risk."""

from __future__ import annotations

from collections.abc import Mapping

from risk.domain import reasons as risk
from trading_portal.kernel.errors import Fact, Reason, fact_text

SENTENCES: Mapping[str, str] = {
    "BODY_TOO_LARGE": "The request is too large: {bytes} bytes, at most {limit}.",
    "BODY_NOT_JSON": "The request is not valid JSON.",
    "BODY_TOO_DEEP": "The request is nested too deeply.",
    "BODY_KEY_TWICE": "The request names {field} twice.",
    "BODY_NOT_AN_OBJECT": "The request must be a JSON object.",
    "FIELD_UNKNOWN": "There is no field {field}.",
    "FIELD_REQUIRED": "{field} is required.",
    "FIELD_NOT_TEXT": "{field} must be text.",
    "FIELD_NOT_A_LIST": "{field} must be a list.",
    "BULK_SIZE": "A bulk holds 1 to {limit} orders, not {count}.",
    "FIELD_NOT_BOOLEAN": "{field} must be true or false.",
    "FIELD_NOT_A_NUMBER": "{field} must be a plain decimal number.",
    "FIELD_NOT_POSITIVE": "{field} must be greater than zero.",
    "FIELD_TOO_LARGE": "{field} must be below {limit}.",
    "FIELD_TOO_LONG": "{field} may have at most {limit} characters.",
    "FIELD_CHARACTERS": "{field} holds a character that is not allowed.",
    "FIELD_NOT_A_CHOICE": "{field} must be one of {allowed}.",
    "FIELD_NOT_SUPPORTED": "{field} {value} is not supported here.",
    "FIELD_NOT_AN_OBJECT": "{field} must be an object.",
    "FIELD_NOT_A_COUNT": "{field} must be a whole number from 1 to {limit}.",
    "FIELD_NOT_AN_INSTANT": "{field} must be a time with its offset, like 2026-01-31T20:00:00Z.",
    "ORDER_NOT_REPLACEABLE": "The order is {status} and cannot be changed.",
    "REPLACE_ALREADY_PENDING": "A request for this order is already pending at the venue.",
    "REPLACE_FIELD_NOT_THERE": "A {type} order has no {field} to change.",
    "REPLACE_OF_NOTIONAL": "The quantity of an order for an amount of money cannot be changed.",
    "REPLACE_OF_TIME_IN_FORCE": "The time in force cannot be changed from {was} to {becomes}.",
    "REPLACE_CHANGES_NOTHING": "The order has these terms already.",
    "QUANTITY_NOT_ABOVE_FILLED": "The quantity {quantity} is not above the {filled} filled already; cancel the rest.",
    "REPLACE_REJECTED": "The venue rejected the change: {text}",
    "REPLACE_OVERTAKEN": "The order was {status} before the change was made.",
    "REPLACE_NOT_PENDING": "The venue answered the change {request_id}, which is not the one that is pending.",
    "REPLACE_EMPTY": "The request changes nothing: give at least one of {fields}.",
    "GOOD_TILL_NEEDS_GTC": "good_till needs time_in_force gtc.",
    "GOOD_TILL_OUT_OF_RANGE": "good_till must lie in the future, at most {days} days from now.",
    "LIMIT_PRICE_REQUIRED": "A {type} order needs a limit_price.",
    "LIMIT_PRICE_NOT_ALLOWED": "A {type} order has no limit_price.",
    "STOP_PRICE_REQUIRED": "A {type} order needs a stop_price.",
    "STOP_PRICE_NOT_ALLOWED": "A {type} order has no stop_price.",
    "TRAIL_REQUIRED": "A trailing stop order needs either trail_price or trail_percent.",
    "TRAIL_NOT_ALLOWED": "A {type} order does not trail.",
    "TIME_IN_FORCE_NOT_FOR_TYPE": "A {type} order waits for its price: it may be day or gtc, not {time_in_force}.",
    "QTY_OR_NOTIONAL": "Give either qty or notional.",
    "NOTIONAL_NOT_ALLOWED": "A {type} order needs a qty: only market and limit orders take a notional.",
    "NOTIONAL_TOO_SMALL": "The notional {notional} is too small: at least {least} can be ordered.",
    "NOTIONAL_OFF_CENT": "The notional {notional} must be a multiple of {step}.",
    "NOT_FRACTIONABLE": "{symbol} cannot be bought in parts.",
    "FRACTION_NEEDS_DAY": "Orders for a part of a share of {symbol} must be day orders.",
    "EXTENDED_HOURS_NEEDS_A_LIMIT": "Only limit orders that are day or gtc can trade in extended hours.",
    "EXTENDED_HOURS_NOT_HELD": "{symbol} has no extended hours.",
    "AUCTION_NOT_HELD": "{symbol} has no auctions, so it takes no {time_in_force} orders.",
    "LEGS_INCOMPLETE": "A {order_class} order lacks an exit, or has one too many.",
    "LEGS_TIME_IN_FORCE": "A {order_class} order must be {allowed}.",
    "LEGS_TYPE": "A {order_class} order must be of the type {allowed}.",
    "LEGS_ALONE": "A {order_class} order takes a whole qty, in regular hours, and no algorithm.",
    "LEGS_CROSSED": "The price of {lower} must be below that of {upper}.",
    "LEGS_NEED_A_CLASS": "take_profit and stop_loss need the order_class bracket, oco or oto.",
    "OCO_LIMIT_PRICES_DIFFER": "The limit_price {limit_price} and that of take_profit, {leg}, must be the same.",
    "ALGORITHM_NEEDS_A_PLAIN_ORDER": "An algorithm works market and limit orders for a qty that are day or gtc.",
    "ALGORITHM_ENDS_OUT_OF_RANGE": "The algorithm must end after it starts, in the future and within a day.",
    "ALGORITHM_STARTS_TOO_LATE": "The algorithm must start within a day.",
    "ALGORITHM_SLICES_TOO_SMALL": "{quantity} cannot be cut into {slices} slices of at least a lot each.",
    "ENTRY_FILLED": "The order that it closes is filled.",
    "ENTRY_ENDED": "The order that it was to close ended as {status}.",
    "ENTRY_BUSTED": "Fewer units are held: the venue took a fill back.",
    "EXIT_FILLED": "The other exit of its group was filled.",
    "EXIT_NOT_COVERED": "It would close {quantity}, and {available} are held and free.",
    "REPLACE_OF_EXIT_QUANTITY": "An exit is for as much as there is to close; only its prices can be changed.",
    "EXIT_REJECTED": "An exit of this group was rejected: what it was to close has one exit less.",
    "EXITS_TOO_SMALL": "The exits close {exits} of the {filled} that were filled.",
    "OVER_EXIT": "The exits traded {excess} more than there was to close.",
    "GROUP_CANCELED": "Another order of its group was cancelled.",
    "SYMBOL_UNKNOWN": "There is no instrument {symbol}.",
    "PRICE_OFF_TICK": "The price {price} is not a multiple of the tick {tick}.",
    "QUANTITY_OFF_LOT": "The quantity {quantity} is not a multiple of the lot {lot}.",
    "ACCOUNT_NOT_FOUND": "There is no such account.",
    "CLIENT_ORDER_ID_TAKEN": "client_order_id must be unique: {client_order_id} names another order.",
    "ORDER_NOT_FOUND": "There is no such order.",
    "ORDER_NOT_CANCELABLE": "The order is {status} and can no longer be cancelled.",
    "CANCEL_ALREADY_PENDING": "A request for this order is already pending at the venue.",
    "KEY_NOT_ACCEPTED": "The API key or its secret is not accepted.",
    "PLACEMENT_QUEUE_FULL": "Too many orders are waiting. Send the same order again shortly, with the same id.",
    "PLACEMENT_STOPPING": "The portal is stopping. Send the same order again shortly, with the same id.",
    "PLACEMENT_FAILED": "The order may or may not be placed. Send it again, with the same id: it is placed once.",
    "PLACEMENT_LATE": "The order was not decided in time. Send the same order again, with the same id.",
    "SCOPE_MISSING": "The API key may not do this: it lacks the scope {scope}.",
    "ADDRESS_NOT_ALLOWED": "The API key may not be used from {address}.",
    "EXEC_ID_REUSED": "The venue used the execution id {exec_id} for another order before.",
    "RATE_LIMITED": "Too many orders in a short time. Try again in {retry_after} seconds.",
    "VENUE_REJECTED": "The venue rejected the order: {text}",
    "VENUE_NEVER_HEARD": "The venue never received the order.",
    "SEND_BLOCKED": "The order was stopped before it was sent.",
    "EGRESS_REFUSED": "The order was stopped at the gateway: {why}.",
    "VENUE_UNKNOWN": "There is no venue {venue}.",
    "VENUE_NOT_ALLOWED": "This account may not send orders to {venue}.",
    "VENUE_RETRIED": "{venue} is being tried again; new orders go there one at a time.",
    "VENUE_BACK": "{venue} answers again.",
    "VENUE_AWAY": "{venue} cannot be reached. New orders are refused until it answers; orders already there stand.",
    "ANSWER_OVERDUE": "{venue} has not said for {seconds} seconds what became of the order.",
    "REQUEST_UNANSWERED": "Nothing is left of the order, and {venue} still owes an answer after {seconds} seconds.",
    "OPEN_HERE_NOT_THERE": "The order is open here; {venue} does not have it open.",
    "OPEN_THERE_NOT_HERE": "{venue} has the order open; here it is {status}.",
    "POSITION_DIFFERS": "{venue} has traded {theirs} of {subject} in sum; {ours} are recorded here.",
    "ORDER_UNKNOWN": "The venue reported on an order that is not ours.",
    "MOVE_NOT_ALLOWED": "The venue reported {event} while the order was {status}.",
    "OVER_FILL": "The venue filled {excess} more than was ordered.",
    "LATE_FILL": "A fill arrived after the order was {status}.",
    "FILL_WHILE_SUSPENDED": "A fill arrived while the order was suspended.",
    "EXECUTION_UNKNOWN": "The report speaks of an execution that is not there.",
    "EXECUTION_NOT_LIVE": "The execution was already busted or corrected.",
    "REPORT_INCOMPLETE": "The report lacks {field}.",
    "SPLIT_NOT_TELLABLE": "The split by {ratio} leaves amounts that make no sense.",
    "PARKED_REPORT_APPLIED": "The venue's report ({report}) had to wait, and is applied now.",
    "RESTATEMENT_NOT_BOOKED": "A corporate action restated the order and must be booked by a person.",
    "REPORT_FROM_ELSEWHERE": "The order is at {venue}, and another venue reported on it.",
}


class _Facts(dict[str, str]):
    """Let a sentence miss a fact without failing."""

    def __missing__(self, name: str) -> str:
        """Return a dash for a fact that is not there."""
        return "-"


def sentence(code: str, facts: Mapping[str, Fact]) -> str:
    """Return what a person reads for a reason of orders or of risk; an unknown code speaks for itself."""
    template = SENTENCES.get(code)
    if template is None:
        return risk.sentence(code, facts)
    return template.format_map(_Facts((name, fact_text(value)) for name, value in facts.items()))


def reason_dict(why: Reason) -> dict[str, object]:
    """Return what is stored and sent for a reason: code, facts as text, and its sentence."""
    return {**why.as_dict(), "sentence": sentence(why.code, why.facts)}
