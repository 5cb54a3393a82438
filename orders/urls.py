"""Addresses of the pages of orders, and of the commands that pages send."""

from __future__ import annotations

from django.urls import path

from orders.views import closing, commands, pages

urlpatterns = [
    path("", pages.trade, name="trade"),
    path("orders/commands", commands.commands, name="order-commands"),
    path("orders/cancel-all", closing.cancel_all, name="orders-cancel-all"),
    path("orders/preview", commands.preview, name="order-preview"),
    path("orders/<uuid:order_id>", pages.order_page, name="order"),
    path("orders/<uuid:order_id>/amend", commands.amend, name="order-amend"),
    path("orders/<uuid:order_id>/cancel", commands.cancel, name="order-cancel"),
    path("orders/<uuid:order_id>/events", commands.events, name="order-events"),
    path("positions/close", closing.close, name="positions-close"),
]
