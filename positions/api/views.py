"""The key's account and what it holds. Their addresses are given by an app that knows how positions are closed.

The classes describe their resources; `positions.api.reads` is what their addresses run.
"""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.openapi import IF_NONE_MATCH, NOT_MODIFIED, problems
from accounts.api.reading import Readable
from accounts.api.views import ApiView
from positions.api.documents import AccountDocument, PositionDocument
from positions.api.reads import ACCOUNT, POSITION, POSITIONS


class Account(ApiView):
    """The account that the key acts for. Its address is given by an app that knows whether trading is stopped."""

    readable: Readable = ACCOUNT

    @extend_schema(
        operation_id="account_read",
        parameters=[IF_NONE_MATCH],
        responses={200: AccountDocument, **NOT_MODIFIED, **problems()},
    )
    def get(self, request: Request) -> Response:
        """Return the account's money, marked to the latest prices."""
        return self.read(self.readable)


class Positions(ApiView):
    """What the account holds."""

    @extend_schema(
        operation_id="positions_list",
        parameters=[IF_NONE_MATCH],
        responses={200: PositionDocument(many=True), **NOT_MODIFIED, **problems()},
    )
    def get(self, request: Request) -> Response:
        """Return every open position, by symbol."""
        return self.read(POSITIONS)


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
            ),
            IF_NONE_MATCH,
        ],
        responses={200: PositionDocument, **NOT_MODIFIED, **problems(404)},
    )
    def get(self, request: Request, symbol_or_id: str) -> Response:
        """Return one open position."""
        return self.read(POSITION, symbol_or_id=symbol_or_id)
