"""Describe requests and answers, for the OpenAPI document only; orders.domain.parsing is what reads them."""

from __future__ import annotations

from typing import ClassVar

from rest_framework import serializers

from accounts.api.openapi import Document, ErrorEntry, ProblemDocument
from orders.domain.parsing import (
    CLIENT_ORDER_ID_LIMIT,
    INTENTS,
    ORDER_TYPES,
    SLICES_LIMIT,
    TIMES_IN_FORCE,
    VENUE_LIMIT,
)
from orders.domain.types import Algorithm, OrderClass
from positions.domain.types import Side

_SIDES = [side.value for side in Side]
TYPES = [word.value for word in ORDER_TYPES]
_TIMES = [word.value for word in TIMES_IN_FORCE]
STATUSES = (
    "accepted", "held", "pending_new", "new", "partially_filled", "stopped", "suspended", "done_for_day", "calculated",
    "filled", "canceled", "expired", "rejected", "replaced", "pending_cancel", "pending_replace",
)  # fmt: skip
_DECIMAL = "A decimal, as a string or as a JSON number; read exactly, never rounded."


class TakeProfitDocument(Document):
    """The leg that leaves a position at a better price."""

    limit_price = serializers.CharField(help_text=_DECIMAL)


class StopLossDocument(Document):
    """The leg that leaves a position at a worse price; with a limit_price it is a stop_limit order."""

    stop_price = serializers.CharField(help_text=_DECIMAL)
    limit_price = serializers.CharField(required=False, help_text=_DECIMAL)


class AlgorithmDocument(Document):
    """How an order is worked over time, within a day; what is left out is left to the algorithm."""

    name = serializers.ChoiceField(choices=[word.value for word in Algorithm])
    starts_at = serializers.DateTimeField(required=False, allow_null=True)
    ends_at = serializers.DateTimeField(required=False, allow_null=True)
    slices = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=SLICES_LIMIT)


class OrderRequestDocument(Document):
    """What is to be ordered; a field that is not listed is refused."""

    symbol = serializers.CharField(max_length=24)
    qty = serializers.CharField(required=False, help_text=f"Either this or notional. {_DECIMAL}")
    notional = serializers.CharField(
        required=False,
        help_text="An amount of money, for market and limit orders for the day in what trades in parts: as much as it "
        f"pays for. {_DECIMAL}",
    )
    side = serializers.ChoiceField(choices=_SIDES)
    type = serializers.ChoiceField(choices=TYPES)
    time_in_force = serializers.ChoiceField(choices=_TIMES)
    limit_price = serializers.CharField(required=False, help_text=f"For limit and stop_limit orders. {_DECIMAL}")
    stop_price = serializers.CharField(required=False, help_text=f"For stop and stop_limit orders. {_DECIMAL}")
    trail_price = serializers.CharField(
        required=False,
        help_text=f"How far behind a trailing stop follows; either this or trail_percent. {_DECIMAL}",
    )
    trail_percent = serializers.CharField(required=False, help_text=f"The same in percent, below 100. {_DECIMAL}")
    good_till = serializers.DateTimeField(
        required=False, help_text="When a gtc order ends by itself, at most a year from now; with its offset."
    )
    client_order_id = serializers.CharField(
        required=False,
        max_length=CLIENT_ORDER_ID_LIMIT,
        help_text="Unique in the account: the same order under the same id is the same order.",
    )
    extended_hours = serializers.BooleanField(
        required=False, help_text="Trade from 4:00 to 20:00 in New York: limit orders in shares that are day or gtc."
    )
    order_class = serializers.ChoiceField(choices=[word.value for word in OrderClass], required=False)
    take_profit = TakeProfitDocument(required=False)
    stop_loss = StopLossDocument(required=False)
    algorithm = AlgorithmDocument(
        required=False, help_text="Work the order over time. The name alone, as text, is enough."
    )
    venue = serializers.CharField(required=False, max_length=VENUE_LIMIT, help_text="Where to send it; else routed.")
    position_intent = serializers.ChoiceField(
        choices=list(INTENTS), required=False, help_text="An order that is to close does nothing else, or is refused."
    )


class OrderDocument(Document):
    """An order; the fields from account_id on are this portal's own."""

    id = serializers.UUIDField()
    client_order_id = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    submitted_at = serializers.DateTimeField()
    filled_at = serializers.DateTimeField(allow_null=True)
    expired_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    canceled_at = serializers.DateTimeField(allow_null=True)
    failed_at = serializers.DateTimeField(allow_null=True)
    replaced_at = serializers.DateTimeField(allow_null=True)
    replaced_by = serializers.UUIDField(allow_null=True)
    replaces = serializers.UUIDField(allow_null=True)
    asset_id = serializers.UUIDField()
    symbol = serializers.CharField()
    asset_class = serializers.ChoiceField(choices=["us_equity", "crypto"])
    notional = serializers.CharField(allow_null=True)
    qty = serializers.CharField(
        allow_null=True, help_text="What a notional came to; null where it was refused for want of a price."
    )
    filled_qty = serializers.CharField()
    filled_avg_price = serializers.CharField(allow_null=True)
    order_class = serializers.CharField()
    order_type = serializers.ChoiceField(choices=TYPES)
    type = serializers.ChoiceField(choices=TYPES)
    side = serializers.ChoiceField(choices=_SIDES)
    position_intent = serializers.CharField(allow_null=True)
    time_in_force = serializers.ChoiceField(choices=_TIMES)
    limit_price = serializers.CharField(allow_null=True)
    stop_price = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=STATUSES)
    extended_hours = serializers.BooleanField()
    legs = serializers.ListField(child=serializers.DictField(), allow_null=True)
    trail_percent = serializers.CharField(allow_null=True)
    trail_price = serializers.CharField(allow_null=True)
    hwm = serializers.CharField(allow_null=True)
    account_id = serializers.UUIDField()
    chain_id = serializers.UUIDField(help_text="The id it had first; it stays the same through replaces.")
    parent_id = serializers.UUIDField(allow_null=True, help_text="The order that a leg hangs on.")
    leg = serializers.ChoiceField(choices=["take_profit", "stop_loss"], allow_null=True)
    outcome = serializers.ChoiceField(
        choices=["known", "unknown"], help_text="unknown: sent, and the venue has not said what became of it."
    )
    reasons = ErrorEntry(many=True)
    leaves_qty = serializers.CharField()
    event_sequence = serializers.IntegerField()
    venue = serializers.CharField()
    status_text = serializers.CharField()
    good_till = serializers.DateTimeField(allow_null=True, help_text="When a gtc order ends by itself.")
    algorithm = AlgorithmDocument(allow_null=True)
    more: ClassVar = {"source": serializers.CharField()}


class ReplaceRequestDocument(Document):
    """What is to be changed of an order that works, at least one term; one that is not named stays as it is."""

    qty = serializers.CharField(required=False, help_text=f"The whole order's, fills included. {_DECIMAL}")
    time_in_force = serializers.ChoiceField(
        choices=_TIMES, required=False, help_text="Between day and gtc; any other stays what it is."
    )
    limit_price = serializers.CharField(required=False, help_text=_DECIMAL)
    stop_price = serializers.CharField(required=False, help_text=_DECIMAL)
    trail = serializers.CharField(
        required=False, help_text=f"A trailing stop's new trail_price or trail_percent, whichever it has. {_DECIMAL}"
    )
    good_till = serializers.DateTimeField(required=False, help_text="Ends a gtc order at that instant.")
    client_order_id = serializers.CharField(
        required=False,
        max_length=CLIENT_ORDER_ID_LIMIT,
        help_text="Unique in the account, among orders and replaces: the same request under the same id is the same.",
    )


class CancelDocument(Document):
    """What became of one cancel."""

    id = serializers.UUIDField()
    status = serializers.IntegerField(help_text="The status that a cancel of this order alone would get.")
    body = serializers.DictField(allow_null=True)


class ClosingDocument(Document):
    """What became of the close of one position."""

    symbol = serializers.CharField()
    order_id = serializers.UUIDField(allow_null=True)
    status = serializers.IntegerField(help_text="The status that closing this position alone would get.")
    body = serializers.DictField(help_text="The order, or why there is none and how much could have been closed.")


class BulkRequestDocument(Document):
    """Up to 1,000 orders, decided in this order: each on its own, or all or none."""

    orders = OrderRequestDocument(many=True)
    all_or_none = serializers.BooleanField(
        required=False, default=False, help_text="Accept every order, or none if any one is refused."
    )


class BulkAnswerDocument(Document):
    """What became of one order."""

    index = serializers.IntegerField()
    status = serializers.IntegerField(help_text="The status that this order alone would get.")
    client_order_id = serializers.CharField(allow_null=True)
    order = OrderDocument(allow_null=True)
    error = ProblemDocument(allow_null=True)


class BulkResultDocument(Document):
    """One answer for each order, in their order."""

    accepted = serializers.IntegerField()
    refused = serializers.IntegerField()
    results = BulkAnswerDocument(many=True)


class CheckDocument(Document):
    """One rule of risk and how the order stands to it."""

    rule = serializers.CharField()
    passed = serializers.BooleanField()
    verdict = serializers.CharField()
    value = serializers.CharField(allow_null=True)
    limit = serializers.CharField(allow_null=True)
    percent = serializers.CharField(allow_null=True)
    scope = serializers.CharField()
    sentence = serializers.CharField()
    more: ClassVar = {"label": serializers.CharField()}


class PreviewDocument(Document):
    """What would become of an order if it were placed now."""

    approved = serializers.BooleanField()
    reasons = ErrorEntry(many=True)
    qty = serializers.CharField(help_text="What a notional comes to.")
    notional = serializers.CharField(allow_null=True)
    fees = serializers.CharField(allow_null=True)
    worst_price = serializers.CharField(allow_null=True)
    reference_price = serializers.CharField(allow_null=True)
    slippage = serializers.CharField(allow_null=True)
    buying_power = serializers.CharField(allow_null=True)
    buying_power_after = serializers.CharField(allow_null=True)
    position = serializers.CharField(allow_null=True)
    position_after = serializers.CharField(allow_null=True)
    checks = CheckDocument(many=True)


class EventDocument(Document):
    """One event of the log."""

    id = serializers.UUIDField()
    account_sequence = serializers.IntegerField(help_text="1, 2, 3 and so on for the account, without a gap.")
    stream = serializers.CharField()
    sequence = serializers.IntegerField()
    type = serializers.CharField()
    version = serializers.IntegerField()
    actor = serializers.CharField()
    correlation_id = serializers.UUIDField()
    causation_id = serializers.UUIDField(allow_null=True)
    valid_at = serializers.DateTimeField(help_text="When it held, by the clock of who says so.")
    recorded_at = serializers.DateTimeField(help_text="When the portal recorded it.")
    payload = serializers.DictField()


class DecisionDocument(Document):
    """What risk decided, on what, and how each rule judged."""

    approved = serializers.BooleanField()
    decided_at = serializers.DateTimeField()
    inputs = serializers.DictField()
    checks = CheckDocument(many=True)
    reasons = ErrorEntry(many=True)


class OrderEventDocument(EventDocument):
    """One event of an order; its first one, and those that ask for a change, carry risk's decision."""

    decision = DecisionDocument(required=False)
