"""Bars of shares and of crypto pairs. The classes describe; `marketdata.api.reads` is what their addresses run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.openapi import IF_NONE_MATCH, NOT_MODIFIED, problems
from accounts.api.views import ApiView
from marketdata.api.documents import BarsDocument, LatestBarsDocument
from marketdata.api.reads import (
    ADJUSTMENTS,
    CRYPTO_BARS,
    CRYPTO_BARS_LATEST,
    FEEDS,
    PAGE_DEFAULT,
    PAGE_LIMIT,
    STOCK_BARS,
    STOCK_BARS_LATEST,
    TIMEFRAMES,
)
from marketdata.domain.types import MOST_SYMBOLS

_ANY = [
    OpenApiParameter("symbols", required=True, description=f"Comma-separated, at most {MOST_SYMBOLS}."),
    OpenApiParameter("currency", description="Refused where a symbol is priced in another."),
    IF_NONE_MATCH,
]
_PAGE = [
    OpenApiParameter("timeframe", enum=list(TIMEFRAMES), required=True),
    OpenApiParameter("start", OpenApiTypes.DATETIME, description="Begun at or after; by default when today began."),
    OpenApiParameter("end", OpenApiTypes.DATETIME, description="Begun at or before. A bare day is its first moment."),
    OpenApiParameter("limit", int, description=f"Of all symbols; at most {PAGE_LIMIT}.", default=PAGE_DEFAULT),
    OpenApiParameter("page_token", description="next_page_token of the page before."),
    OpenApiParameter("sort", enum=["asc", "desc"], default="asc", description="By time; symbols always ascend."),
]
_SHARES = [OpenApiParameter("feed", enum=FEEDS, description="There is one feed, whatever it is called.")]
_TRADED = [OpenApiParameter("adjustment", enum=ADJUSTMENTS, description="Prices are as they were traded.")]
_PAGES: Mapping[Any, Any] = {200: BarsDocument, **NOT_MODIFIED, **problems(422)}
_LATEST: Mapping[Any, Any] = {200: LatestBarsDocument, **NOT_MODIFIED, **problems(422)}


class StockBars(ApiView):
    """What shares traded at."""

    @extend_schema(operation_id="stock_bars_list", parameters=[*_ANY, *_PAGE, *_SHARES, *_TRADED], responses=_PAGES)
    def get(self, request: Request) -> Response:
        """Return a page of bars, by symbol, then time."""
        return self.read(STOCK_BARS)


class StockBarsLatest(ApiView):
    """What shares traded at last."""

    @extend_schema(operation_id="stock_bars_latest", parameters=[*_ANY, *_SHARES], responses=_LATEST)
    def get(self, request: Request) -> Response:
        """Return the last minute's bar of each symbol."""
        return self.read(STOCK_BARS_LATEST)


class CryptoBars(ApiView):
    """What crypto pairs traded at."""

    @extend_schema(operation_id="crypto_bars_list", parameters=[*_ANY, *_PAGE], responses=_PAGES)
    def get(self, request: Request) -> Response:
        """Return a page of bars, by symbol, then time."""
        return self.read(CRYPTO_BARS)


class CryptoBarsLatest(ApiView):
    """What crypto pairs traded at last."""

    @extend_schema(operation_id="crypto_bars_latest", parameters=_ANY, responses=_LATEST)
    def get(self, request: Request) -> Response:
        """Return the last minute's bar of each symbol."""
        return self.read(CRYPTO_BARS_LATEST)
