"""What was traded in an account, in the shape of Alpaca's account activities."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.openapi import IF_NONE_MATCH, NOT_MODIFIED, problems
from accounts.api.views import ApiView
from orders.api.reads import TRADES, TRADES_LIMIT


class TradeActivityDocument(serializers.Serializer[object]):
    """A trade that stands; `order_id` is the id under which its order was placed."""

    id = serializers.CharField()
    account_id = serializers.UUIDField()
    activity_type = serializers.ChoiceField(["FILL"])
    transaction_time = serializers.DateTimeField()
    type = serializers.ChoiceField(["fill", "partial_fill"])
    price = serializers.CharField()
    qty = serializers.CharField()
    side = serializers.ChoiceField(["buy", "sell"])
    symbol = serializers.CharField()
    leaves_qty = serializers.CharField()
    order_id = serializers.UUIDField()
    cum_qty = serializers.CharField()
    order_status = serializers.ChoiceField(["filled", "partially_filled"])


class TradeActivities(ApiView):
    """The account's trades."""

    @extend_schema(
        operation_id="account_trades",
        parameters=[
            OpenApiParameter("after", OpenApiTypes.DATETIME, description="Done after this instant."),
            OpenApiParameter("until", OpenApiTypes.DATETIME, description="Done at or before this instant."),
            OpenApiParameter("direction", enum=["asc", "desc"], default="desc"),
            OpenApiParameter("page_size", int, description=f"At most {TRADES_LIMIT}.", default=TRADES_LIMIT),
            OpenApiParameter("page_token", description="The id that ended the page before."),
            IF_NONE_MATCH,
        ],
        responses={200: TradeActivityDocument(many=True), **NOT_MODIFIED, **problems(422)},
    )
    def get(self, request: Request) -> Response:
        """Return a page of trades; one that was busted is not among them, one that was corrected is as corrected."""
        return self.read(TRADES)
