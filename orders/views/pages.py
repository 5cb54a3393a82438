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
from orders.broadcasts import order_json
from orders.domain.timeline import timeline
from orders.selectors import order_now


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
        },
    )


def _chosen(accounts: list[AccountFacts], number: str | None) -> AccountFacts | None:
    """Return the account of that number, or the first; one that is not there is not silently another."""
    if number is None:
        return next(iter(accounts), None)
    found = next((account for account in accounts if account.number == number), None)
    if found is None:
        raise Http404
    return found
