"""Addresses of orders, of the account that places them and of its positions, under the API's root."""

from __future__ import annotations

from django.urls import path

from accounts.api.configurations import Configurations
from accounts.api.pool import resource
from orders.api import activities, closing, commands, history, views

urlpatterns = [
    path("orders", resource(views.OrderList, post=commands.order_place), name="api-orders"),
    path("orders:by_client_order_id", resource(views.OrderByClientOrderId), name="api-order-by-client-order-id"),
    path("orders/bulk", resource(views.OrderBulk, post=commands.orders_place_bulk), name="api-orders-bulk"),
    path("orders/preview", resource(views.OrderPreview), name="api-orders-preview"),
    path(
        "orders/<uuid:order_id>",
        resource(views.OrderOne, patch=commands.order_replace_one, delete=commands.order_cancel_one),
        name="api-order",
    ),
    path("orders/<uuid:order_id>/events", resource(history.OrderEvents), name="api-order-events"),
    path("positions", resource(closing.ClosablePositions), name="api-positions"),
    path("positions/<path:symbol_or_id>", resource(closing.ClosablePosition), name="api-position"),
    path("account", resource(history.TradingAccount), name="api-account"),
    path("account/configurations", resource(Configurations), name="api-account-configurations"),
    path("account/activities/FILL", resource(activities.TradeActivities), name="api-account-trades"),
    path("account/events", resource(history.AccountEvents), name="api-account-events"),
]
