"""Orders: read them, cancel them, see what happened to them. The commands that are hot stand in `commands`."""

from __future__ import annotations

from typing import Literal, cast
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.errors import Problem, ProblemError
from accounts.api.openapi import problems
from accounts.api.parameters import Parameters
from accounts.api.rates import orders_request
from accounts.api.views import ApiView
from accounts.domain.rates import RateRequest
from accounts.selectors import account_by_id
from marketdata.selectors import instruments_all, instruments_by_id
from orders.api.answers import (
    NO_ORDER,
    bulk_json,
    cancel_json,
    cancel_problem,
    placement_json,
    placement_problem,
    replace_json,
)
from orders.api.bodies import bulk_read, order_read
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
from orders.api.replacing import replace_now
from orders.broadcasts import order_json
from orders.domain.commands import OrderFields, Source, place_order
from orders.domain.facts import OrderFacts
from orders.domain.parsing import CLIENT_ORDER_ID_LIMIT
from orders.selectors import OrderQuery, legs_by_root, order_by_client_order_id, order_by_id, orders_list
from orders.services import order_cancel, orders_cancel_all
from orders.services.queue import Placed, placement_queue
from positions.domain.types import Side
from trading_portal.kernel import clock

PAGE_DEFAULT, PAGE_LIMIT = 50, 500
SYMBOLS_LIMIT = 200
NEXT_PAGE = "X-Next-Page-Token"
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    location=OpenApiParameter.HEADER,
    description="The same request under the same key gets the same answer again, for 24 hours.",
)
NESTED = "Show legs under the order they hang on, which stands for the whole group, and not in the list itself."
Status = Literal["open", "closed", "all"]


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
        ],
        responses={200: OrderDocument(many=True), **problems(422)},
    )
    def get(self, request: Request) -> Response:
        """Return a page of orders; the header X-Next-Page-Token leads to the next while there is one."""
        query = self._query(request)
        orders = orders_list(query)
        headers = {NEXT_PAGE: str(orders[-1].id)} if len(orders) == query.limit else {}
        legs = legs_by_root(orders) if query.is_nested else {}
        return Response([order_json(order, legs.get(order.id, ())) for order in orders], headers=headers)

    def _query(self, request: Request) -> OrderQuery:
        given = Parameters(request.query_params)
        symbols = given.words("symbols", at_most=SYMBOLS_LIMIT)
        query = OrderQuery(
            account_id=self.grant.account_id,
            is_nested=given.flag("nested"),
            status=cast(Status, given.choice("status", ("open", "closed", "all"), "open")),
            instrument_ids=_instrument_ids(symbols) if symbols else None,
            side=given.choice("side", [side.value for side in Side]),
            after=given.instant("after"),
            until=given.instant("until"),
            is_ascending=given.choice("direction", ("asc", "desc"), "desc") == "asc",
            beyond=self._beyond(given),
            limit=given.integer("limit", default=PAGE_DEFAULT, low=1, high=PAGE_LIMIT),
        )
        given.check()
        return query

    def _beyond(self, given: Parameters) -> UUID | None:
        """Return the order that ended the page before; another account's is not understood."""
        written = given.text("page_token", limit=40)
        try:
            beyond = UUID(written) if written else None
        except ValueError:
            beyond = UUID(int=0)
        is_known = beyond is None or order_by_id(beyond, account_id=self.grant.account_id) is not None
        given.require("page_token", is_known, "page_token is not one that this list gave out.")
        return beyond

    @extend_schema(operation_id="orders_cancel_all", responses={207: CancelDocument(many=True), **problems()})
    def delete(self, request: Request) -> Response:
        """Ask for the cancel of every open order, and say of each what became of it."""
        outcomes = orders_cancel_all(
            account_id=self.grant.account_id,
            by=self.actor,
            correlation_id=self.correlation_id,
            at=clock.now(),
        )
        answers = [cancel_json(outcome, path=request.path, request_id=self.request_id) for outcome in outcomes]
        return Response(answers, status=207)


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
        parameters=[OpenApiParameter("nested", bool, description="Show the order's legs under it.")],
        responses={200: OrderDocument, **problems(404)},
    )
    def get(self, request: Request, order_id: UUID) -> Response:
        """Return an order as it stands now."""
        given = Parameters(request.query_params)
        is_nested = given.flag("nested")
        given.check()
        order = order_or_404(self.grant.account_id, order_id)
        legs = legs_by_root([order]) if is_nested else {}
        return Response(order_json(order, legs.get(order.id, ())))

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
        parameters=[OpenApiParameter("client_order_id", required=True)],
        responses={200: OrderDocument, **problems(404, 422)},
    )
    def get(self, request: Request) -> Response:
        """Return an order as it stands now."""
        given = Parameters(request.query_params)
        client_order_id = given.text("client_order_id", limit=CLIENT_ORDER_ID_LIMIT)
        given.require("client_order_id", bool(client_order_id), "client_order_id is required.")
        given.check()
        order = order_by_client_order_id(self.grant.account_id, client_order_id or "")
        if order is None:
            raise ProblemError(Problem(404, f"There is no order {client_order_id}."))
        return Response(order_json(order))
