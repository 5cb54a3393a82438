"""Orders: read them, cancel them, see what happened to them. The commands that are hot stand in `commands`."""

from __future__ import annotations

from uuid import UUID

from asgiref.sync import async_to_sync
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.errors import Problem, ProblemError
from accounts.api.idempotency import IDEMPOTENCY_KEY
from accounts.api.openapi import IF_NONE_MATCH, NOT_MODIFIED, problems
from accounts.api.views import ApiView
from accounts.domain.rates import RateRequest
from accounts.selectors import account_by_id
from accounts.services import orders_request
from marketdata.selectors import instruments_all, instruments_by_id
from orders.api.answers import (
    NO_ORDER,
    bulk_json,
    cancel_problem,
    placement_json,
    placement_problem,
    replace_json,
)
from orders.api.bodies import bulk_read, order_read
from orders.api.commands import orders_cancel_every
from orders.api.documents import (
    BulkRequestDocument,
    BulkResultDocument,
    CancelDocument,
    OrderDocument,
    OrderRequestDocument,
    PreviewDocument,
    ReplaceRequestDocument,
)
from orders.api.preview import preview_json
from orders.api.reads import NEXT_PAGE, ORDER, ORDER_BY_CLIENT_ORDER_ID, ORDERS, PAGE_DEFAULT, PAGE_LIMIT
from orders.api.replacing import replace_now
from orders.domain.commands import OrderFields, Source, place_order
from orders.domain.facts import OrderFacts
from orders.selectors import order_by_id
from orders.services import order_cancel
from orders.services.queue import Placed, placement_queue
from trading_portal.kernel import clock

NESTED = "Show legs under the order they hang on, which stands for the whole group, and not in the list itself."


def order_or_404(grant_account_id: UUID, order_id: UUID) -> OrderFacts:
    """Return an order of the caller's account; another account's is as if it were not there."""
    order = order_by_id(order_id, account_id=grant_account_id)
    if order is None:
        raise ProblemError(NO_ORDER)
    return order


def placed_now(view: ApiView, orders: tuple[OrderFields, ...], *, source: Source, all_or_none: bool = False) -> Placed:
    """Place orders for a caller whom a view has let in."""
    commands = tuple(
        place_order(
            fields,
            account_id=view.grant.account_id,
            by=view.actor,
            source=source,
            correlation_id=view.correlation_id,
            placed_at=clock.now(),
            api_key_pk=view.grant.key_pk,
        )
        for fields in orders
    )
    return placement_queue().place_blocking(commands, all_or_none=all_or_none)


class OrderList(ApiView):
    """The account's orders."""

    def budget(self) -> RateRequest | None:
        """Return what a request takes: a placed order counts as an order."""
        return orders_request(self.grant) if self.request.method == "POST" else super().budget()

    @extend_schema(
        operation_id="order_place",
        parameters=[IDEMPOTENCY_KEY],
        request=OrderRequestDocument,
        responses={200: OrderDocument, **problems(413, 422)},
    )
    def post(self, request: Request) -> Response:
        """Place one order; the answer follows its commit. `commands.order_place` is what this address runs."""
        fields = order_read(request.body)
        if isinstance(fields, Problem):
            raise ProblemError(fields)
        (placement,) = placed_now(self, (fields,), source="api").placements
        if problem := placement_problem(placement):
            raise ProblemError(problem)
        return Response(placement_json(placement))

    @extend_schema(
        operation_id="orders_list",
        parameters=[
            OpenApiParameter("status", enum=["open", "closed", "all"], default="open"),
            OpenApiParameter("limit", int, description=f"At most {PAGE_LIMIT}.", default=PAGE_DEFAULT),
            OpenApiParameter("after", OpenApiTypes.DATETIME, description="Placed after this instant."),
            OpenApiParameter("until", OpenApiTypes.DATETIME, description="Placed at or before this instant."),
            OpenApiParameter("direction", enum=["asc", "desc"], default="desc"),
            OpenApiParameter("symbols", description="Comma-separated."),
            OpenApiParameter("side", enum=["buy", "sell"]),
            OpenApiParameter("nested", bool, description=NESTED),
            OpenApiParameter("page_token", OpenApiTypes.UUID, description=f"{NEXT_PAGE} of the page before."),
            IF_NONE_MATCH,
        ],
        responses={200: OrderDocument(many=True), **NOT_MODIFIED, **problems(422)},
    )
    def get(self, request: Request) -> Response:
        """Return a page of orders; the header X-Next-Page-Token leads to the next while there is one."""
        return self.read(ORDERS)

    @extend_schema(operation_id="orders_cancel_all", responses={207: CancelDocument(many=True), **problems()})
    def delete(self, request: Request) -> HttpResponseBase:
        """Ask for the cancel of every open order, and say of each what became of it."""
        # The address runs `orders_cancel_every` itself; this is its place in the API's document.
        return async_to_sync(orders_cancel_every)(request)


def _instrument_ids(symbols: list[str]) -> list[UUID]:
    """Return the instruments of these symbols; crypto pairs may leave out their slash."""
    wanted = {symbol.upper() for symbol in symbols}
    return [each.id for each in instruments_all() if {each.symbol, each.symbol.replace("/", "")} & wanted]


def instruments_named(symbol_or_id: str) -> list[UUID]:
    """Return the instrument that a symbol or an id names, in a list; an unknown one is not there."""
    try:
        return list(instruments_by_id([UUID(symbol_or_id)]))
    except ValueError:
        return _instrument_ids([symbol_or_id])


class OrderOne(ApiView):
    """One order, by any id it has, had or is to have."""

    def budget(self) -> RateRequest | None:
        """Return what a request takes: a replace counts as an order."""
        return orders_request(self.grant) if self.request.method == "PATCH" else super().budget()

    @extend_schema(
        operation_id="order_read",
        parameters=[OpenApiParameter("nested", bool, description="Show the order's legs under it."), IF_NONE_MATCH],
        responses={200: OrderDocument, **NOT_MODIFIED, **problems(404, 422)},
    )
    def get(self, request: Request, order_id: UUID) -> Response:
        """Return an order as it stands now."""
        return self.read(ORDER, order_id=order_id)

    @extend_schema(
        operation_id="order_replace",
        request=ReplaceRequestDocument,
        responses={200: OrderDocument, **problems(404, 413, 422)},
    )
    def patch(self, request: Request, order_id: UUID) -> Response:
        """Ask for other terms, and return the order under the id it will have once its venue has taken them.

        Until then it is pending_new there and pending_replace under the id it has. `commands.order_replace_one` is
        what this address runs.
        """
        outcome = replace_now(
            request.body,
            order_id=order_id,
            account_id=self.grant.account_id,
            by=self.actor,
            correlation_id=self.correlation_id,
        )
        if isinstance(outcome, Problem):
            raise ProblemError(outcome)
        return Response(replace_json(outcome))

    @extend_schema(operation_id="order_cancel", responses={204: None, **problems(404, 422)})
    def delete(self, request: Request, order_id: UUID) -> Response:
        """Ask for the cancel of one order. `commands.order_cancel_one` is what this address runs."""
        outcome = order_cancel(
            order_id=order_id,
            account_id=self.grant.account_id,
            by=self.actor,
            correlation_id=self.correlation_id,
            at=clock.now(),
        )
        if problem := cancel_problem(outcome):
            raise ProblemError(problem)
        return Response(status=204)


class OrderBulk(ApiView):
    """Many orders at once."""

    def budget(self) -> RateRequest | None:
        """Return what the bulk takes: each order counts."""
        body = bulk_read(self.request.body)
        return orders_request(self.grant, 1 if isinstance(body, Problem) else len(body.orders))

    @extend_schema(
        operation_id="orders_place_bulk",
        parameters=[IDEMPOTENCY_KEY],
        request=BulkRequestDocument,
        responses={200: BulkResultDocument, **problems(413, 422)},
    )
    def post(self, request: Request) -> Response:
        """Place up to 1,000 orders, each decided on its own, or all or none of them.

        `commands.orders_place_bulk` is what this address runs.
        """
        body = bulk_read(request.body)
        if isinstance(body, Problem):
            raise ProblemError(body)
        placed = placed_now(self, body.orders, source="bulk", all_or_none=body.all_or_none)
        return Response(bulk_json(body, placed.placements, path=request.path, request_id=self.request_id))


class OrderPreview(ApiView):
    """What would become of an order."""

    @extend_schema(
        operation_id="order_preview",
        request=OrderRequestDocument,
        responses={200: PreviewDocument, **problems(413, 422)},
    )
    def post(self, request: Request) -> Response:
        """Return cost, checks and what would be left, and place nothing."""
        fields = order_read(request.body)
        if isinstance(fields, Problem):
            raise ProblemError(fields)
        account = account_by_id(self.grant.account_id)
        assert account is not None
        return Response(preview_json(account, fields, at=clock.now()))


class OrderByClientOrderId(ApiView):
    """One order, by the id its sender gave it."""

    @extend_schema(
        operation_id="order_by_client_order_id",
        parameters=[OpenApiParameter("client_order_id", required=True), IF_NONE_MATCH],
        responses={200: OrderDocument, **NOT_MODIFIED, **problems(404, 422)},
    )
    def get(self, request: Request) -> Response:
        """Return an order as it stands now."""
        return self.read(ORDER_BY_CLIENT_ORDER_ID)
