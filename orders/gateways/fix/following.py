"""Read an account's part of the event log for one session, and say it in FIX."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from audit.domain.types import EventRecord, stream_id
from audit.selectors import events_of_account
from orders.domain.facts import OrderFacts
from orders.domain.types import IntentKind
from orders.gateways.fix.telling import Message, Names, event_message
from orders.selectors.fix import FixRequestFacts, fix_requests_open, names_by_public_id, orders_of_key
from orders.selectors.orders import orders_by_id

PAGE = 200
_ORDER = "order:"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose events a session is told: those of the key's own orders, or of the whole account."""

    session_id: UUID
    account_id: UUID
    account_number: str
    key_id: str
    key_pk: UUID
    tells_account: bool


@dataclass(frozen=True, slots=True)
class Page:
    """What the log told: messages, up to which event, whether there may be more, and whether the key was revoked."""

    messages: Sequence[Message]
    cursor: int
    is_last: bool
    is_revoked: bool


def page_after(scope: Scope, cursor: int, answered: Collection[int]) -> Page:
    """Return the next of the account's events as messages; the same events always make the same messages.

    `answered` are requests that were refused just now, and so are not what these events answer.
    """
    events = events_of_account(scope.account_id, cursor, PAGE)
    if not events:
        return Page((), cursor, is_last=True, is_revoked=False)
    revoked = any(e.type == "api_key.revoked" and e.payload["key_id"] == scope.key_id for e in events)
    told = [event for event in events if event.stream.startswith(_ORDER)]
    messages = _messages(scope, told, set(answered)) if told else ()
    last = events[-1].account_sequence
    assert last is not None
    return Page(messages, last, is_last=len(events) < PAGE, is_revoked=revoked)


def _messages(scope: Scope, events: Sequence[EventRecord], answered: set[int]) -> list[Message]:
    found = fix_requests_open(scope.session_id)
    requests = {request.order_id: request for request in found if request.id not in answered}
    ids = {UUID(stream_id(event.stream)) for event in events}
    shown = ids if scope.tells_account else orders_of_key(ids, scope.key_pk) | (ids & requests.keys())
    orders = orders_by_id(shown)
    facts = {event.id: event.payload for event in events}
    names = Naming.of(facts.values(), orders.values())
    messages: list[Message] = []
    for event in events:
        order = orders.get(UUID(stream_id(event.stream)))
        if order is None:
            continue
        request = requests.get(order.id)
        if request is not None and request.id in answered:
            request = None
        said = facts[event.id]
        message = event_message(
            event, said, order, names.at(event, said, order, request), request, scope.account_number
        )
        if message is not None:
            messages.append(message)
            answered |= {message.answers} if message.answers else set()
    return messages


@dataclass(frozen=True, slots=True)
class Naming:
    """Know under which ClOrdID an order went at each event: its own, or that of its last accepted replace."""

    by_public_id: Mapping[UUID, str]

    @classmethod
    def of(cls, facts: Collection[Mapping[str, Any]], orders: Collection[OrderFacts]) -> Naming:
        """Read the names that these events need; none, where nothing was replaced."""
        said = {UUID(each[name]) for each in facts for name in ("version_id", "replaces") if each.get(name)}
        return cls(names_by_public_id(said | {order.id for order in orders if order.version_id is not None}))

    def at(
        self, event: EventRecord, facts: Mapping[str, Any], order: OrderFacts, request: FixRequestFacts | None
    ) -> Names:
        """Return what the partner calls the order in the report of an event."""
        current = self._named(facts.get("version_id"), order)
        if event.type == "order.replaced":
            return Names(facts["client_order_id"], self._named(facts["replaces"], order))
        if event.type == "order.replace_requested":
            return Names(facts["client_order_id"], current)
        is_cancel = request is not None and request.kind is IntentKind.CANCEL
        if request is not None and is_cancel and event.type in ("order.cancel_requested", "order.canceled"):
            return Names(request.client_order_id, current)
        return Names(current)

    def _named(self, public_id: str | None, order: OrderFacts) -> str:
        """Return the name of a public id; before the first replace that is the order's own."""
        return self.by_public_id.get(UUID(public_id) if public_id else order.id, order.client_order_id)
