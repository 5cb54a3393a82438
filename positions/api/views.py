"""The key's account and what it holds. Their addresses are given by an app that knows how positions are closed."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.errors import Problem, ProblemError
from accounts.api.openapi import problems
from accounts.api.views import ApiView
from accounts.selectors import account_by_id
from positions.api.documents import AccountDocument, PositionDocument
from positions.api.shapes import alpaca_position_json, trade_account_json
from positions.selectors import account_summary, positions_list
from trading_portal.kernel import clock


class Account(ApiView):
    """The account that the key acts for. Its address is given by an app that knows whether trading is stopped."""

    def is_trading_blocked(self) -> bool:
        """Tell whether anything above positions keeps this account from trading."""
        return False

    @extend_schema(operation_id="account_read", responses={200: AccountDocument, **problems()})
    def get(self, request: Request) -> Response:
        """Return the account's money, marked to the latest prices."""
        summary = account_summary(self.grant.account_id, clock.now())
        account = account_by_id(self.grant.account_id)
        assert account is not None
        return Response(trade_account_json(account, summary, is_trading_blocked=self.is_trading_blocked()))


class Positions(ApiView):
    """What the account holds."""

    @extend_schema(operation_id="positions_list", responses={200: PositionDocument(many=True), **problems()})
    def get(self, request: Request) -> Response:
        """Return every open position, by symbol."""
        positions = positions_list(self.grant.account_id, clock.now())
        return Response([alpaca_position_json(position) for position in positions])


class Position(ApiView):
    """What the account holds of one instrument."""

    @extend_schema(
        operation_id="position_read",
        parameters=[
            OpenApiParameter(
                "symbol_or_id",
                OpenApiTypes.STR,
                OpenApiParameter.PATH,
                description="An asset's id, or a symbol; a crypto pair as BTC/USD, BTC%2FUSD or BTCUSD.",
            )
        ],
        responses={200: PositionDocument, **problems(404)},
    )
    def get(self, request: Request, symbol_or_id: str) -> Response:
        """Return one open position."""
        wanted = symbol_or_id.upper()
        for position in positions_list(self.grant.account_id, clock.now()):
            symbol = str(position["symbol"])
            if wanted in (symbol, symbol.replace("/", ""), str(position["asset_id"]).upper()):
                return Response(alpaca_position_json(position))
        raise ProblemError(Problem(404, "position does not exist"))
