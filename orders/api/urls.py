"""Addresses of orders, of the account that places them and of its positions, under the API's root."""

from __future__ import annotations

from django.urls import path

from accounts.api.configurations import Configurations
from accounts.api.pool import resource
from accounts.api.reading import reading
from orders.api import activities, closing, commands, history, reads, views
from positions.api.reads import POSITION, POSITIONS

urlpatterns = [
    path(
        "orders",
        resource(
            views.OrderList,
            get=reading(reads.ORDERS),
            post=commands.order_place,
            delete=commands.orders_cancel_every,
        ),
        name="api-orders",
    ),
    path(
        "orders:by_client_order_id",
        resource(views.OrderByClientOrderId, get=reading(reads.ORDER_BY_CLIENT_ORDER_ID)),
        name="api-order-by-client-order-id",
    ),
    path("orders/bulk", resource(views.OrderBulk, post=commands.orders_place_bulk), name="api-orders-bulk"),
    path("orders/preview", resource(views.OrderPreview), name="api-orders-preview"),
    path(
        "orders/<uuid:order_id>",
        resource(
            views.OrderOne,
            get=reading(reads.ORDER),
            patch=commands.order_replace_one,
            delete=commands.order_cancel_one,
        ),
        name="api-order",
    ),
    path("orders/<uuid:order_id>/events", resource(history.OrderEvents), name="api-order-events"),
    path(
        "positions",
        resource(closing.ClosablePositions, get=reading(POSITIONS), delete=closing.positions_close),
        name="api-positions",
    ),
    path(
        "positions/<path:symbol_or_id>",
        resource(closing.ClosablePosition, get=reading(POSITION), delete=closing.position_close),
        name="api-position",
    ),
    path("account", resource(history.TradingAccount, get=reading(reads.TRADING_ACCOUNT)), name="api-account"),
    path("account/configurations", resource(Configurations), name="api-account-configurations"),
    path(
        "account/activities/FILL",
        resource(activities.TradeActivities, get=reading(reads.TRADES)),
        name="api-account-trades",
    ),
    path("account/events", resource(history.AccountEvents), name="api-account-events"),
]
