"""Ask a FIX venue: store every request under its ClOrdID, then send it, on the sending thread."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from orders.brokers.fix import messages
from orders.brokers.fix.asking import all_known, unknown_order
from orders.brokers.fix.inbox import FixInbox, Question
from orders.brokers.fix.link import FixLink
from orders.brokers.fix.messages import Message, Received
from orders.brokers.fix.profile import FixProfile
from orders.brokers.fix.store import Asked, FixStore, ended_by_cancel, order_asked, replace_asked
from orders.brokers.fix.translating import names_in, order_of
from orders.brokers.protocol import VenueCancel, VenueOrder, VenueReplace
from orders.domain import fix
from orders.domain.fix import Tag
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.types import IntentKind
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7


class FixRequests:
    """Turn orders, cancels, replaces and questions into messages of one venue; `line_up` raises while none can be sent.

    What the venue has answered before is reported once more and not asked again.
    """

    def __init__(
        self, name: str, profile: FixProfile, store: FixStore, inbox: FixInbox, line_up: Callable[[], FixLink]
    ) -> None:
        self._name = name
        self._profile = profile
        self._store = store
        self._inbox = inbox
        self._line_up = line_up

    def _send(self, sent: Sequence[Message]) -> None:
        link = self._line_up()
        taken = [link.send(message) for message in sent]
        if not all(taken):
            raise ConnectionError(f"The line to {self._name} broke while {len(sent)} messages were sent.")

    def _store_requests(self, requests: Sequence[Asked], at: datetime) -> set[str]:
        new = self._store.ask(requests, at)
        for request in requests:
            self._inbox.learn(request.name, request.order_id, request.kind)
        return new

    def submit(self, orders: Sequence[VenueOrder]) -> None:
        """Send orders that are new, repeat what is known of those that are not."""
        self._line_up()
        at = clock.now()
        wanted = {order.order_id: order for order in orders}
        refused = {key: why for key, order in wanted.items() if (why := self._refusal(order))}
        sent = [order for key, order in wanted.items() if key not in refused]
        new = self._store_requests([order_asked(order) for order in sent], at)
        past = self._past([order.order_id for order in sent if str(order.order_id) not in new])
        for order_id, why in refused.items():
            self._inbox.own(self._local(ReportKind.REJECTED, order_id, why, at))
        for reports in past.values():
            self._inbox.repeat(reports)
        self._send(
            [
                messages.new_order(order, self._profile, at=at, is_possible_resend=str(order.order_id) not in new)
                for order in sent
                if order.order_id not in past
            ]
        )

    def _refusal(self, order: VenueOrder) -> str:
        """Return why this session cannot carry an order; empty when it can."""
        if order.schedule is not None:
            return "ALGORITHM_NOT_SUPPORTED"
        if order.extended_hours and not self._profile.extended_session:
            return "EXTENDED_HOURS_NOT_SUPPORTED"
        return ""

    def cancel(self, cancels: Sequence[VenueCancel]) -> None:
        """Ask for cancels of orders that were sent and are not known to be canceled."""
        self._line_up()
        at = clock.now()
        ids = list(dict.fromkeys(cancel.order_id for cancel in cancels))
        orders, known_as, past = self._store.orders(ids), self._store.known_as(ids), self._past(ids)
        names = {}
        for order_id in ids:
            if order_id not in orders:
                self._inbox.own(self._local(ReportKind.CANCEL_REJECTED, order_id, "UNKNOWN_ORDER", at))
            elif canceled := ended_by_cancel(past.get(order_id, ())):
                self._inbox.repeat([canceled])
            else:
                names[order_id] = str(uuid7())
        asked = [Asked(name, order_id, IntentKind.CANCEL, {}) for order_id, name in names.items()]
        self._store_requests(asked, at)
        self._send(
            [
                messages.cancel_request(orders[order_id], name=name, known_as=known_as[order_id], at=at)
                for order_id, name in names.items()
            ]
        )

    def replace(self, replaces: Sequence[VenueReplace]) -> None:
        """Ask for changes of orders that were sent, once each."""
        self._line_up()
        at = clock.now()
        wanted = {asked.request_id: asked for asked in replaces}
        ids = [asked.order_id for asked in wanted.values()]
        orders, known_as, past = self._store.orders(ids), self._store.known_as(ids), self._past(ids)
        sent = []
        for request_id, asked in wanted.items():
            answers = [report for report in past.get(asked.order_id, ()) if report.request_id == request_id]
            if asked.order_id not in orders:
                self._inbox.own(
                    self._local(ReportKind.REPLACE_REJECTED, asked.order_id, "UNKNOWN_ORDER", at, request_id)
                )
            elif answers:
                self._inbox.repeat(answers)
            else:
                sent.append(asked)
        new = self._store_requests([replace_asked(asked) for asked in sent], at)
        self._send(
            [
                messages.replace_request(
                    orders[asked.order_id], asked, self._profile, known_as=known_as[asked.order_id], at=at,
                    is_possible_resend=str(asked.request_id) not in new,
                )
                for asked in sent
            ]
        )  # fmt: skip

    def ask_status(self, order_ids: Collection[UUID]) -> Mapping[tuple[str, UUID], Question]:
        """Ask about every order that was ever sent; return the questions, each by its name and order."""
        self._line_up()
        ids = list(dict.fromkeys(order_ids))
        orders, known_as = self._store.orders(ids), self._store.known_as(ids)
        questions = {(uuid7().hex, order_id): Question() for order_id in orders}
        self._inbox.questions.update({name: question for (name, _), question in questions.items()})
        self._send(
            [
                messages.status_request(orders[order_id], name=name, known_as=known_as[order_id])
                for name, order_id in questions
            ]
        )
        return questions

    def ask_open(self) -> tuple[str, Question]:
        """Ask for the status of every order there is; return the question and its name."""
        name, question = uuid7().hex, Question()
        self._inbox.questions[name] = question
        self._send([messages.mass_status_request(name)])
        return name, question

    def orders_in(self, answers: Sequence[Received]) -> set[UUID]:
        """Return which orders the answers say are open, those of others included."""
        open_ = [answer for answer in answers if answer.get(Tag.ORD_STATUS) in fix.OPEN_STATUSES]
        sent = self._store.sent({name for answer in open_ for name in names_in(answer)})
        return {order_of(self._name, answer, sent) for answer in open_}

    def all_known(self, order_ids: Sequence[UUID], answers: Mapping[UUID, Received]) -> list[VenueReport]:
        """Return what is known of orders from their reports and from the answers about them."""
        at = clock.now()
        ids = list(dict.fromkeys(order_ids))
        sent, past = self._store.orders(ids), self._past(ids)
        found: list[VenueReport] = []
        for order_id in ids:
            reports = past.get(order_id, [])
            if order_id not in sent and not reports:
                found.append(unknown_order(self._name, order_id, at))
            else:
                found += all_known(self._name, order_id, reports, answers.get(order_id), at)
        return found

    def _past(self, order_ids: Collection[UUID]) -> dict[UUID, list[VenueReport]]:
        """Return what was reported of orders before, of those it was."""
        past: dict[UUID, list[VenueReport]] = {}
        for report in self._store.reports_of(order_ids) if order_ids else ():
            past.setdefault(report.order_id, []).append(report)
        return past

    def _local(
        self, kind: ReportKind, order_id: UUID, why: str, at: datetime, request_id: UUID | None = None
    ) -> VenueReport:
        """Return what we know without the venue: that it cannot have, or take, an order."""
        key = uuid7() if kind is ReportKind.CANCEL_REJECTED else request_id or order_id
        return VenueReport(
            venue=self._name,
            kind=kind,
            order_id=order_id,
            exec_id=f"local:{key}",
            reason=why,
            request_id=request_id,
            executed_at=at,
        )
