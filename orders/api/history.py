"""What happened: to an order, and in the account that places them; and whether that account may trade."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.openapi import problems
from accounts.api.parameters import Parameters
from accounts.api.views import ApiView
from audit.selectors import events_of_account, events_of_stream
from orders.api.documents import EventDocument, OrderEventDocument
from orders.api.reads import TRADING_ACCOUNT
from orders.api.views import order_or_404
from orders.eventstream import event_json
from positions.api.views import Account
from risk.selectors import decisions_of

EVENTS_DEFAULT, EVENTS_LIMIT = 100, 1000
DECIDED = ("order.accepted", "order.refused")
ASKED = ("order.replace_requested", "order.replace_refused")


class OrderEvents(ApiView):
    """What happened to an order."""

    @extend_schema(operation_id="order_events", responses={200: OrderEventDocument(many=True), **problems(404)})
    def get(self, request: Request, order_id: UUID) -> Response:
        """Return every event of an order, first to last, with the decisions of risk on it and its replaces."""
        order = order_or_404(self.grant.account_id, order_id)
        told = events_of_stream(f"order:{order.id}")
        asked = {event.id: UUID(event.payload["request_id"]) for event in told if event.type in ASKED}
        decisions = decisions_of({order.id, *asked.values()})
        events = [event_json(event) for event in told]
        for event, record in zip(events, told, strict=True):
            decision = decisions.get(asked.get(record.id, order.id))
            if event["type"] in (*DECIDED, *ASKED) and decision is not None:
                event["decision"] = {
                    "approved": decision.is_approved,
                    "decided_at": decision.decided_at,
                    "inputs": decision.inputs,
                    "checks": decision.checks,
                    "reasons": decision.reasons,
                }
        return Response(events)


class TradingAccount(Account):
    """The account that the key acts for, and whether it may trade."""

    readable = TRADING_ACCOUNT


class AccountEvents(ApiView):
    """What happened in the account."""

    @extend_schema(
        operation_id="account_events",
        parameters=[
            OpenApiParameter("since", int, description="The last account_sequence you have.", default=0),
            OpenApiParameter("limit", int, description=f"At most {EVENTS_LIMIT}.", default=EVENTS_DEFAULT),
        ],
        responses={200: EventDocument(many=True), **problems(422)},
    )
    def get(self, request: Request) -> Response:
        """Return the events that follow, in one sequence without a gap."""
        given = Parameters(request.query_params)
        since = given.integer("since", default=0, low=0, high=2**62)
        limit = given.integer("limit", default=EVENTS_DEFAULT, low=1, high=EVENTS_LIMIT)
        given.check()
        return Response([event_json(event) for event in events_of_account(self.grant.account_id, since, limit)])
