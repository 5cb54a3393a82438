"""The trade workspace and an order's own page."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from accounts.domain.types import AccountFacts
from accounts.selectors import account_for_trading, account_visible, accounts_visible
from audit.selectors import events_of_stream
from marketdata.selectors import instruments_by_id
from orders.broadcasts import order_json
from orders.domain.facts import OrderFacts
from orders.domain.forms import order_rules
from orders.domain.timeline import timeline
from orders.selectors import order_now, orders_by_id, orders_seen
from orders.selectors.orders import legs_by_root
from orders.selectors.versions import versions_chain
from orders.services.routing import venues_offered
from risk.selectors import decision_of
from trading_portal.kernel.money import plain


@never_cache
@require_safe
@login_required
@ensure_csrf_cookie
def trade(request: HttpRequest) -> HttpResponse:
    """Show the workspace of one account: the one asked for, else the first."""
    user_id = cast(UUID, request.user.pk)
    accounts = accounts_visible(user_id)
    account = _chosen(accounts, request.GET.get("account"))
    if account is None and request.user.is_staff:
        return redirect("admin:index")
    can_trade = account is not None and account_for_trading(user_id, account.id) is not None
    return render(
        request,
        "orders/trade.html" if account else "orders/no_account.html",
        {
            "account": account,
            "accounts": accounts,
            "can_trade": can_trade,
            "symbol": request.GET.get("symbol", "")[:24],
            "venues": venues_offered(account.id) if account and can_trade else [],
            "order_rules": order_rules(),
        },
    )


@never_cache
@require_safe
@login_required
@ensure_csrf_cookie
def order_page(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Show everything about one order; another account's is as if it were not there."""
    user_id = cast(UUID, request.user.pk)
    order = order_now(order_id)
    account = account_visible(user_id, order.account_id) if order else None
    if order is None or account is None:
        raise Http404
    return render(
        request,
        "orders/order.html",
        {
            "account": account,
            "accounts": [account],
            "can_trade": account_for_trading(user_id, account.id) is not None,
            "order": order_json(order),
            "events": timeline(events_of_stream(f"order:{order.id}"), reader_id=user_id),
            "correlation_id": order.correlation_id,
            "tick": plain(instruments_by_id([order.instrument_id])[order.instrument_id].tick_size),
            "order_rules": order_rules(),
            **_around(order),
        },
    )


def _around(order: OrderFacts) -> dict[str, object]:
    """Return what an order belongs to: its legs, what it is a leg of, the ids it had, and why risk let it through."""
    root_id = order.parent_id if order.leg else order.id
    found = orders_by_id({root_id} if root_id else ())
    root = found.get(root_id) if root_id else None
    group = [root, *legs_by_root([root]).get(root.id, ())] if root else []
    first = orders_seen({order.id: order}).get(order.id, order)
    decision = decision_of(root_id or order.id)
    return {
        "group": [order_json(each) for each in group] if len(group) > 1 else [],
        "first_client_order_id": first.client_order_id,
        "versions": versions_chain(order.id),
        "decision": decision,
    }


def _chosen(accounts: list[AccountFacts], number: str | None) -> AccountFacts | None:
    """Return the account of that number, or the first; one that is not there is not silently another."""
    if number is None:
        return next(iter(accounts), None)
    found = next((account for account in accounts if account.number == number), None)
    if found is None:
        raise Http404
    return found
