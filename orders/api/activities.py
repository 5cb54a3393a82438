"""What was traded in an account, in the shape of Alpaca's account activities."""

from __future__ import annotations

from datetime import UTC
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.openapi import problems
from accounts.api.parameters import Parameters
from accounts.api.views import ApiView
from marketdata.selectors import instruments_by_id
from orders.broadcasts import instant_json
from orders.selectors.activities import Trade, TradeQuery, trade_is_of, trades_list
from trading_portal.kernel.money import ZERO, plain

PAGE_LIMIT = 100


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
            OpenApiParameter("page_size", int, description=f"At most {PAGE_LIMIT}.", default=PAGE_LIMIT),
            OpenApiParameter("page_token", description="The id that ended the page before."),
        ],
        responses={200: TradeActivityDocument(many=True), **problems(422)},
    )
    def get(self, request: Request) -> Response:
        """Return a page of trades; one that was busted is not among them, one that was corrected is as corrected."""
        trades = trades_list(self._query(request))
        symbols = instruments_by_id({trade.instrument_id for trade in trades}) if trades else {}
        account_id = self.grant.account_id
        return Response([trade_json(trade, account_id, symbols[trade.instrument_id].symbol) for trade in trades])

    def _query(self, request: Request) -> TradeQuery:
        given = Parameters(request.query_params)
        query = TradeQuery(
            account_id=self.grant.account_id,
            after=given.instant("after"),
            until=given.instant("until"),
            is_ascending=given.choice("direction", ("asc", "desc"), "desc") == "asc",
            beyond=self._beyond(given),
            limit=given.integer("page_size", default=PAGE_LIMIT, low=1, high=PAGE_LIMIT),
        )
        given.check()
        return query

    def _beyond(self, given: Parameters) -> UUID | None:
        """Return the trade that ended the page before; another account's is not understood."""
        written = given.text("page_token", limit=80)
        try:
            beyond = UUID(written.rpartition("::")[2]) if written else None
        except ValueError:
            beyond = UUID(int=0)
        is_known = beyond is None or trade_is_of(beyond, self.grant.account_id)
        given.require("page_token", is_known, "page_token is not one that this list gave out.")
        return beyond


def trade_json(trade: Trade, account_id: UUID, symbol: str) -> dict[str, object]:
    """Return a trade as Alpaca's activities show it."""
    is_whole = trade.cumulative >= trade.ordered
    done_at = trade.executed_at.astimezone(UTC)
    return {
        "id": f"{done_at:%Y%m%d%H%M%S}{done_at.microsecond // 1000:03}::{trade.id}",
        "account_id": str(account_id),
        "activity_type": "FILL",
        "transaction_time": instant_json(trade.executed_at),
        "type": "fill" if is_whole else "partial_fill",
        "price": plain(trade.price),
        "qty": plain(trade.quantity),
        "side": trade.side.value,
        "symbol": symbol,
        "leaves_qty": plain(max(trade.ordered - trade.cumulative, ZERO)),
        "order_id": str(trade.order_id),
        "cum_qty": plain(trade.cumulative),
        "order_status": "filled" if is_whole else "partially_filled",
    }
